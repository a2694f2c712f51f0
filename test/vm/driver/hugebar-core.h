/* SPDX-License-Identifier: MIT */
/*
 * What the drivers here have alike: all stand on vfio-pci-core, start their
 * own structure with its device, and take any device, but only by
 * driver_override.
 */
#ifndef HUGEBAR_CORE_H
#define HUGEBAR_CORE_H

#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/version.h>
#include <linux/vfio.h>
#include <linux/vfio_pci_core.h>
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 17, 0)
#include <linux/pfn_t.h>
#define to_inserted(pfn) __pfn_to_pfn_t(pfn, PFN_DEV)
#else
#define to_inserted(pfn) (pfn)
#endif

static inline struct vfio_pci_core_device *to_core(struct vfio_device *vdev)
{
	return container_of(vdev, struct vfio_pci_core_device, vdev);
}

static inline int core_open_device(struct vfio_device *vdev)
{
	int ret = vfio_pci_core_enable(to_core(vdev));

	if (ret)
		return ret;
	vfio_pci_core_finish_enable(to_core(vdev));
	return 0;
}

static inline int core_register(struct vfio_pci_core_device *core,
				struct pci_dev *pdev)
{
	int ret;

	dev_set_drvdata(&pdev->dev, core);
	ret = vfio_pci_core_register_device(core);
	if (ret)
		vfio_put_device(&core->vdev);
	return ret;
}

static inline void core_remove(struct pci_dev *pdev)
{
	struct vfio_pci_core_device *core = dev_get_drvdata(&pdev->dev);

	vfio_pci_core_unregister_device(core);
	vfio_put_device(&core->vdev);
}

static inline vm_fault_t core_insert_leaf(struct vm_fault *vmf, unsigned long pfn,
					  unsigned int order)
{
	if (!order)
		return vmf_insert_pfn(vmf->vma, vmf->address & PAGE_MASK, pfn);
	if (order == PMD_ORDER)
		return vmf_insert_pfn_pmd(vmf, to_inserted(pfn), false);
#ifdef CONFIG_ARCH_SUPPORTS_PUD_PFNMAP
	if (order == PUD_ORDER)
		return vmf_insert_pfn_pud(vmf, to_inserted(pfn), false);
#endif
	return VM_FAULT_FALLBACK;
}

/* Lays a leaf, unless the device's memory does not answer. */
static inline vm_fault_t core_insert(struct vfio_pci_core_device *core,
				     struct vm_fault *vmf, unsigned long pfn,
				     unsigned int order)
{
	vm_fault_t ret = VM_FAULT_SIGBUS;
	u16 command;

	down_read(&core->memory_lock);
	pci_read_config_word(core->pdev, PCI_COMMAND, &command);
	if (command & PCI_COMMAND_MEMORY)
		ret = core_insert_leaf(vmf, pfn, order);
	up_read(&core->memory_lock);
	return ret;
}

#ifdef HAS_GET_REGION_INFO_CAPS
#define GET_REGION_INFO_CAPS(_function) .get_region_info_caps = _function,
#else
#define GET_REGION_INFO_CAPS(_function)
#endif

#ifdef HAS_MATCH_TOKEN_UUID
#define MATCH_TOKEN_UUID .match_token_uuid = vfio_pci_core_match_token_uuid,
#else
#define MATCH_TOKEN_UUID
#endif

/* Of struct vfio_device_ops, all but name, ioctl, get_region_info_caps, mmap. */
#define CORE_DEVICE_OPS                                          \
	.init		= vfio_pci_core_init_dev,                \
	.release	= vfio_pci_core_release_dev,             \
	.open_device	= core_open_device,                      \
	.close_device	= vfio_pci_core_close_device,            \
	.device_feature	= vfio_pci_core_ioctl_feature,           \
	.read		= vfio_pci_core_read,                    \
	.write		= vfio_pci_core_write,                   \
	.request	= vfio_pci_core_request,                 \
	.match		= vfio_pci_core_match,                   \
	MATCH_TOKEN_UUID                                         \
	.bind_iommufd	= vfio_iommufd_physical_bind,            \
	.unbind_iommufd	= vfio_iommufd_physical_unbind,          \
	.attach_ioas	= vfio_iommufd_physical_attach_ioas,     \
	.detach_ioas	= vfio_iommufd_physical_detach_ioas

#define CORE_DRIVER(_variable, _name, _probe, _data)                             \
	static const struct pci_device_id _variable##_table[] = {                \
		{                                                                \
			PCI_DRIVER_OVERRIDE_DEVICE_VFIO(PCI_ANY_ID, PCI_ANY_ID), \
			.driver_data = (kernel_ulong_t)(_data),                  \
		},                                                               \
		{}                                                               \
	};                                                                       \
	static struct pci_driver _variable = {                                   \
		.name			= (_name),                               \
		.id_table		= _variable##_table,                     \
		.probe			= (_probe),                              \
		.remove			= core_remove,                           \
		.err_handler		= &vfio_pci_core_err_handlers,           \
		.driver_managed_dma	= true,                                  \
	}

static inline int core_register_drivers(struct pci_driver *const *drivers, int nr)
{
	int i, ret;

	for (i = 0; i < nr; i++) {
		ret = pci_register_driver(drivers[i]);
		if (ret) {
			while (i--)
				pci_unregister_driver(drivers[i]);
			return ret;
		}
	}
	return 0;
}

static inline void core_unregister_drivers(struct pci_driver *const *drivers, int nr)
{
	while (nr--)
		pci_unregister_driver(drivers[nr]);
}

#endif
