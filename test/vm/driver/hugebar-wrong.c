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
 *   hugebar-wrong-bus    another: answers the first access to the last page
 *                        of a block with SIGBUS
 */
#include <linux/mm.h>
#include <linux/module.h>

#include "hugebar-core.h"

enum fault { WRONG_PFN, WRONG_TOUCH, WRONG_EDGE, WRONG_BUS };

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

static vm_fault_t wrong_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	struct vm_area_struct *vma = vmf->vma;
	struct vfio_pci_core_device *core = vma->vm_private_data;
	struct wrong_device *wrong = container_of(core, struct wrong_device, core);
	unsigned long size = PAGE_SIZE << order;
	unsigned long start = ALIGN_DOWN(vmf->address, size);
	unsigned long edge = vma->vm_end;
	unsigned long pfn;

	if (!order)
		return core_ops->fault(vmf);
	if (wrong->fault == WRONG_BUS &&
	    ALIGN_DOWN(vmf->address, PAGE_SIZE) == start + size - PAGE_SIZE)
		return VM_FAULT_SIGBUS;
	if (wrong->fault == WRONG_EDGE)
		edge += PAGE_SIZE;
	else if (wrong->fault != WRONG_BUS && vmf->address != start)
		return VM_FAULT_FALLBACK;
	if (start < vma->vm_start || start + size > edge)
		return VM_FAULT_FALLBACK;
	pfn = first_pfn(wrong, vma) + ((start - vma->vm_start) >> PAGE_SHIFT);
	if (wrong->fault != WRONG_PFN && !IS_ALIGNED(pfn, 1UL << order))
		return VM_FAULT_FALLBACK;

	return core_insert(core, vmf, pfn, order);
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

static const struct vfio_device_ops wrong_device_ops = {
	.name	= "hugebar-wrong",
	.ioctl	= vfio_pci_core_ioctl,
	GET_REGION_INFO_CAPS(vfio_pci_ioctl_get_region_info)
	.mmap	= wrong_mmap,
	CORE_DEVICE_OPS,
};

static int wrong_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct wrong_device *wrong;

	wrong = vfio_alloc_device(wrong_device, core.vdev, &pdev->dev,
				  &wrong_device_ops);
	if (IS_ERR(wrong))
		return PTR_ERR(wrong);
	wrong->fault = id->driver_data;
	return core_register(&wrong->core, pdev);
}

CORE_DRIVER(wrong_pfn, "hugebar-wrong-pfn", wrong_probe, WRONG_PFN);
CORE_DRIVER(wrong_touch, "hugebar-wrong-touch", wrong_probe, WRONG_TOUCH);
CORE_DRIVER(wrong_edge, "hugebar-wrong-edge", wrong_probe, WRONG_EDGE);
CORE_DRIVER(wrong_bus, "hugebar-wrong-bus", wrong_probe, WRONG_BUS);

static struct pci_driver *const drivers[] = {
	&wrong_pfn, &wrong_touch, &wrong_edge, &wrong_bus,
};

static int __init wrong_init(void)
{
	return core_register_drivers(drivers, ARRAY_SIZE(drivers));
}

static void __exit wrong_exit(void)
{
	core_unregister_drivers(drivers, ARRAY_SIZE(drivers));
}

module_init(wrong_init);
module_exit(wrong_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("hugebar's wrong fault handlers, for its conformance test");
