// SPDX-License-Identifier: MIT
/*
 * Variants of vfio-pci that offer BAR 2 of any device (QEMU's pci-testdev) as
 * a region with a sparse-mmap capability, as nvgrace-gpu and others do for
 * real hardware. A device is handed to one by its driver_override:
 *
 *   hugebar-gb200   one area, 0-0x2f00f00000, as in a GB200; wants a BAR of
 *                   0x4000000000 (256 GiB)
 *   hugebar-origin  the same, and as nvgrace-gpu does there it writes the page
 *                   frame over vm_pgoff, so that /proc/PID/maps has physical
 *                   addresses, and lays the leaves by itself
 *   hugebar-gaps    three areas with gaps before, between and behind them;
 *                   wants a BAR of at least 8 GiB
 *
 * As in those drivers, reads and writes reach the whole BAR and a mapping of
 * what no area covers is refused.
 */
#include <linux/module.h>
#include <linux/slab.h>

#include "hugebar-core.h"

#define SPARSE_BAR VFIO_PCI_BAR2_REGION_INDEX

struct shape {
	u64 size;
	u32 nr_areas;
	struct vfio_region_sparse_mmap_area areas[3];
	/* Of a mapping, vm_pgoff is the page frame of its first byte. */
	bool is_physical;
};

#define GB200                                                   \
	.size = 0x4000000000,                                   \
	.nr_areas = 1,                                          \
	.areas = { { .offset = 0, .size = 0x2f00f00000 } }

static const struct shape gb200 = { GB200 };
static const struct shape origin = { GB200, .is_physical = true };

/*
 * Of the areas the first ends 2 MiB past a gigabyte, the second starts one
 * page past a multiple of 2 MiB, and the third is whole gigabytes.
 */
static const struct shape gaps = {
	.size = 0x200000000,
	.nr_areas = 3,
	.areas = {
		{ .offset = 0x40000000, .size = 0x40200000 },
		{ .offset = 0xc0000000 + PAGE_SIZE, .size = 0x800000 - PAGE_SIZE },
		{ .offset = 0x100000000, .size = 0x80000000 },
	},
};

struct test_device {
	struct vfio_pci_core_device core;
	const struct shape *shape;
};

static struct test_device *to_test_device(struct vfio_device *vdev)
{
	return container_of(vdev, struct test_device, core.vdev);
}

static int add_areas(const struct shape *shape, struct vfio_info_cap *caps)
{
	struct vfio_region_info_cap_sparse_mmap *sparse;
	size_t size = struct_size(sparse, areas, shape->nr_areas);
	int ret;

	sparse = kzalloc(size, GFP_KERNEL);
	if (!sparse)
		return -ENOMEM;
	sparse->header.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP;
	sparse->header.version = 1;
	sparse->nr_areas = shape->nr_areas;
	memcpy(sparse->areas, shape->areas,
	       shape->nr_areas * sizeof(sparse->areas[0]));
	ret = vfio_info_add_capability(caps, &sparse->header, size);
	kfree(sparse);
	return ret;
}

/* What every kernel tells of the BAR, and the areas behind it. */
static int describe_sparse_bar(struct test_device *test,
			       struct vfio_region_info *info,
			       struct vfio_info_cap *caps)
{
	info->offset = VFIO_PCI_INDEX_TO_OFFSET(info->index);
	info->size = pci_resource_len(test->core.pdev, info->index);
	info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE |
		      VFIO_REGION_INFO_FLAG_MMAP;
	return add_areas(test->shape, caps);
}

#ifdef HAS_GET_REGION_INFO_CAPS

static int test_get_region_info_caps(struct vfio_device *vdev,
				     struct vfio_region_info *info,
				     struct vfio_info_cap *caps)
{
	if (info->index != SPARSE_BAR)
		return vfio_pci_ioctl_get_region_info(vdev, info, caps);
	return describe_sparse_bar(to_test_device(vdev), info, caps);
}

#define test_ioctl vfio_pci_core_ioctl

#else /* The driver answers the ioctl itself. */

static long get_sparse_region_info(struct test_device *test,
				   struct vfio_region_info __user *arg)
{
	unsigned long minsz = offsetofend(struct vfio_region_info, offset);
	struct vfio_info_cap caps = { .buf = NULL, .size = 0 };
	struct vfio_region_info info;
	int ret;

	if (copy_from_user(&info, arg, minsz))
		return -EFAULT;
	if (info.argsz < minsz)
		return -EINVAL;

	ret = describe_sparse_bar(test, &info, &caps);
	if (ret)
		return ret;

	info.flags |= VFIO_REGION_INFO_FLAG_CAPS;
	if (info.argsz < sizeof(info) + caps.size) {
		info.argsz = sizeof(info) + caps.size;
		info.cap_offset = 0;
	} else {
		vfio_info_cap_shift(&caps, sizeof(info));
		if (copy_to_user(arg + 1, caps.buf, caps.size)) {
			kfree(caps.buf);
			return -EFAULT;
		}
		info.cap_offset = sizeof(info);
	}
	kfree(caps.buf);
	return copy_to_user(arg, &info, minsz) ? -EFAULT : 0;
}

static long test_ioctl(struct vfio_device *vdev, unsigned int cmd,
		       unsigned long arg)
{
	struct vfio_region_info __user *info = (void __user *)arg;
	u32 index;

	if (cmd != VFIO_DEVICE_GET_REGION_INFO)
		return vfio_pci_core_ioctl(vdev, cmd, arg);
	if (get_user(index, &info->index))
		return -EFAULT;
	if (index != SPARSE_BAR)
		return vfio_pci_core_ioctl(vdev, cmd, arg);
	return get_sparse_region_info(to_test_device(vdev), info);
}

#endif

/* Called as that driver's own is: there tracers look for it. */
static vm_fault_t nvgrace_gpu_vfio_pci_huge_fault(struct vm_fault *vmf,
						  unsigned int order)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long start = ALIGN_DOWN(vmf->address, PAGE_SIZE << order);
	unsigned long pfn = vma->vm_pgoff + ((start - vma->vm_start) >> PAGE_SHIFT);

	if (start < vma->vm_start || start + (PAGE_SIZE << order) > vma->vm_end ||
	    !IS_ALIGNED(pfn, 1UL << order))
		return VM_FAULT_FALLBACK;
	return core_insert(vma->vm_private_data, vmf, pfn, order);
}

static vm_fault_t physical_fault(struct vm_fault *vmf)
{
	return nvgrace_gpu_vfio_pci_huge_fault(vmf, 0);
}

static const struct vm_operations_struct physical_ops = {
	.fault		= physical_fault,
	.huge_fault	= nvgrace_gpu_vfio_pci_huge_fault,
};

static int map_area(struct test_device *test, struct vm_area_struct *vma,
		    u64 offset)
{
	u64 start = pci_resource_start(test->core.pdev, SPARSE_BAR);
	int ret = vfio_pci_core_mmap(&test->core.vdev, vma);

	if (ret || !test->shape->is_physical)
		return ret;
	vma->vm_pgoff = (start + offset) >> PAGE_SHIFT;
	vma->vm_ops = &physical_ops;
	return 0;
}

static int test_mmap(struct vfio_device *vdev, struct vm_area_struct *vma)
{
	struct test_device *test = to_test_device(vdev);
	const struct shape *shape = test->shape;
	u64 offset = (u64)vma->vm_pgoff << PAGE_SHIFT;
	u64 size = vma->vm_end - vma->vm_start;
	u32 i;

	if (VFIO_PCI_OFFSET_TO_INDEX(offset) != SPARSE_BAR)
		return vfio_pci_core_mmap(vdev, vma);
	offset &= VFIO_PCI_OFFSET_MASK;
	for (i = 0; i < shape->nr_areas; i++) {
		const struct vfio_region_sparse_mmap_area *area = &shape->areas[i];

		if (offset >= area->offset &&
		    offset + size <= area->offset + area->size)
			return map_area(test, vma, offset);
	}
	return -EINVAL;
}

static const struct vfio_device_ops test_ops = {
	.name	= "hugebar-test",
	.ioctl	= test_ioctl,
	GET_REGION_INFO_CAPS(test_get_region_info_caps)
	.mmap	= test_mmap,
	CORE_DEVICE_OPS,
};

static int test_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	const struct shape *shape = (const struct shape *)id->driver_data;
	struct test_device *test;

	if (pci_resource_len(pdev, SPARSE_BAR) < shape->size) {
		pci_err(pdev, "BAR 2 is smaller than 0x%llx\n", shape->size);
		return -EINVAL;
	}
	test = vfio_alloc_device(test_device, core.vdev, &pdev->dev, &test_ops);
	if (IS_ERR(test))
		return PTR_ERR(test);
	test->shape = shape;
	return core_register(&test->core, pdev);
}

CORE_DRIVER(gb200_driver, "hugebar-gb200", test_probe, &gb200);
CORE_DRIVER(origin_driver, "hugebar-origin", test_probe, &origin);
CORE_DRIVER(gaps_driver, "hugebar-gaps", test_probe, &gaps);

static struct pci_driver *const drivers[] = { &gb200_driver, &origin_driver, &gaps_driver };

static int __init test_init(void)
{
	return core_register_drivers(drivers, ARRAY_SIZE(drivers));
}

static void __exit test_exit(void)
{
	core_unregister_drivers(drivers, ARRAY_SIZE(drivers));
}

module_init(test_init);
module_exit(test_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("hugebar's test driver: a BAR with several mappable areas");
