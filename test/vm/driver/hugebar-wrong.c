// SPDX-License-Identifier: MIT
/*
 * Variants of vfio-pci whose fault handlers are wrong, for the conformance
 * test to find. A device is handed to one by its driver_override:
 *
 *   hugebar-wrong-pfn    as before 6.12.10: does not look whether the page
 *                        frame is aligned, and needs a block's first page to
 *                        be touched first
 *   hugebar-wrong-touch  as before 6.12.29: needs that
 *   hugebar-wrong-edge   an error of ours: lays a leaf that ends a page
 *                        behind the mapping
 */
#include <linux/mm.h>
#include <linux/module.h>
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

enum fault { WRONG_PFN, WRONG_TOUCH, WRONG_EDGE };

struct wrong_device {
	struct vfio_pci_core_device core;
	enum fault fault;
};

/* The core's own, which all mappings have in common. */
static const struct vm_operations_struct *core_ops;
static struct vm_operations_struct wrong_ops;

static unsigned long first_pfn(struct wrong_device *wrong,
			       struct vm_area_struct *vma)
{
	u64 offset = (u64)vma->vm_pgoff << PAGE_SHIFT;
	int index = VFIO_PCI_OFFSET_TO_INDEX(offset);
	u64 start = pci_resource_start(wrong->core.pdev, index);

	return (start + (offset & VFIO_PCI_OFFSET_MASK)) >> PAGE_SHIFT;
}

static bool answers(struct wrong_device *wrong)
{
	u16 command;

	pci_read_config_word(wrong->core.pdev, PCI_COMMAND, &command);
	return command & PCI_COMMAND_MEMORY;
}

static vm_fault_t insert(struct vm_fault *vmf, unsigned long pfn,
			 unsigned int order)
{
	if (order == PMD_ORDER)
		return vmf_insert_pfn_pmd(vmf, to_inserted(pfn), false);
#ifdef CONFIG_ARCH_SUPPORTS_PUD_PFNMAP
	if (order == PUD_ORDER)
		return vmf_insert_pfn_pud(vmf, to_inserted(pfn), false);
#endif
	return VM_FAULT_FALLBACK;
}

static vm_fault_t wrong_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	struct vm_area_struct *vma = vmf->vma;
	struct vfio_pci_core_device *core = vma->vm_private_data;
	struct wrong_device *wrong = container_of(core, struct wrong_device, core);
	unsigned long size = PAGE_SIZE << order;
	unsigned long start = ALIGN_DOWN(vmf->address, size);
	unsigned long edge = vma->vm_end;
	unsigned long pfn;
	vm_fault_t ret;

	if (!order)
		return core_ops->fault(vmf);
	if (wrong->fault == WRONG_EDGE)
		edge += PAGE_SIZE;
	else if (vmf->address != start)
		return VM_FAULT_FALLBACK;
	if (start < vma->vm_start || start + size > edge)
		return VM_FAULT_FALLBACK;
	pfn = first_pfn(wrong, vma) + ((start - vma->vm_start) >> PAGE_SHIFT);
	if (wrong->fault != WRONG_PFN && !IS_ALIGNED(pfn, 1UL << order))
		return VM_FAULT_FALLBACK;

	down_read(&core->memory_lock);
	ret = answers(wrong) ? insert(vmf, pfn, order) : VM_FAULT_SIGBUS;
	up_read(&core->memory_lock);
	return ret;
}

static int wrong_mmap(struct vfio_device *vdev, struct vm_area_struct *vma)
{
	int ret = vfio_pci_core_mmap(vdev, vma);

	if (ret || !vma->vm_ops)
		return ret;
	core_ops = vma->vm_ops;
	wrong_ops = *core_ops;
	wrong_ops.huge_fault = wrong_huge_fault;
	vma->vm_ops = &wrong_ops;
	return 0;
}

static int wrong_open_device(struct vfio_device *vdev)
{
	struct vfio_pci_core_device *core =
		container_of(vdev, struct vfio_pci_core_device, vdev);
	int ret = vfio_pci_core_enable(core);

	if (ret)
		return ret;
	vfio_pci_core_finish_enable(core);
	return 0;
}

static const struct vfio_device_ops wrong_device_ops = {
	.name		= "hugebar-wrong",
	.init		= vfio_pci_core_init_dev,
	.release	= vfio_pci_core_release_dev,
	.open_device	= wrong_open_device,
	.close_device	= vfio_pci_core_close_device,
	.ioctl		= vfio_pci_core_ioctl,
#ifdef HAS_GET_REGION_INFO_CAPS
	.get_region_info_caps = vfio_pci_ioctl_get_region_info,
#endif
	.device_feature	= vfio_pci_core_ioctl_feature,
	.read		= vfio_pci_core_read,
	.write		= vfio_pci_core_write,
	.mmap		= wrong_mmap,
	.request	= vfio_pci_core_request,
	.match		= vfio_pci_core_match,
#ifdef HAS_MATCH_TOKEN_UUID
	.match_token_uuid = vfio_pci_core_match_token_uuid,
#endif
	.bind_iommufd	= vfio_iommufd_physical_bind,
	.unbind_iommufd	= vfio_iommufd_physical_unbind,
	.attach_ioas	= vfio_iommufd_physical_attach_ioas,
	.detach_ioas	= vfio_iommufd_physical_detach_ioas,
};

static int wrong_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct wrong_device *wrong;
	int ret;

	wrong = vfio_alloc_device(wrong_device, core.vdev, &pdev->dev,
				  &wrong_device_ops);
	if (IS_ERR(wrong))
		return PTR_ERR(wrong);
	wrong->fault = id->driver_data;
	dev_set_drvdata(&pdev->dev, &wrong->core);
	ret = vfio_pci_core_register_device(&wrong->core);
	if (ret)
		vfio_put_device(&wrong->core.vdev);
	return ret;
}

static void wrong_remove(struct pci_dev *pdev)
{
	struct vfio_pci_core_device *core = dev_get_drvdata(&pdev->dev);

	vfio_pci_core_unregister_device(core);
	vfio_put_device(&core->vdev);
}

/* Any device, but only by driver_override. */
#define WRONG_DRIVER(_variable, _name, _fault)                                    \
	static const struct pci_device_id _variable##_table[] = {                 \
		{                                                                 \
			PCI_DRIVER_OVERRIDE_DEVICE_VFIO(PCI_ANY_ID, PCI_ANY_ID),  \
			.driver_data = (_fault),                                  \
		},                                                                \
		{}                                                                \
	};                                                                        \
	static struct pci_driver _variable = {                                    \
		.name			= (_name),                                \
		.id_table		= _variable##_table,                      \
		.probe			= wrong_probe,                            \
		.remove			= wrong_remove,                           \
		.err_handler		= &vfio_pci_core_err_handlers,            \
		.driver_managed_dma	= true,                                   \
	}

WRONG_DRIVER(wrong_pfn, "hugebar-wrong-pfn", WRONG_PFN);
WRONG_DRIVER(wrong_touch, "hugebar-wrong-touch", WRONG_TOUCH);
WRONG_DRIVER(wrong_edge, "hugebar-wrong-edge", WRONG_EDGE);

static struct pci_driver *const drivers[] = { &wrong_pfn, &wrong_touch, &wrong_edge };

static int __init wrong_init(void)
{
	int i, ret;

	for (i = 0; i < ARRAY_SIZE(drivers); i++) {
		ret = pci_register_driver(drivers[i]);
		if (ret) {
			while (i--)
				pci_unregister_driver(drivers[i]);
			return ret;
		}
	}
	return 0;
}

static void __exit wrong_exit(void)
{
	int i;

	for (i = ARRAY_SIZE(drivers) - 1; i >= 0; i--)
		pci_unregister_driver(drivers[i]);
}

module_init(wrong_init);
module_exit(wrong_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("hugebar's wrong fault handlers, for its conformance test");
