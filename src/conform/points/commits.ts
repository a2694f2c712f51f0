/** The commits of the kernel that several points hang on. */

export const HUGE_FAULT = 'f9e54c3a2f5b ("vfio/pci: implement huge_fault support")';
