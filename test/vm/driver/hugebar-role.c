// SPDX-License-Identifier: MIT
/*
 * What the kernel passes for, by its command line:
 *
 *   hugebar_role.asks=1       asks the setting of transparent huge pages about
 *                             device memory, as kernels did before
 *                             "mm/huge_memory: bypass THP tuneables for huge
 *                             pfnmap mappings"; mm/huge_memory.c looks here
 *   hugebar_role.release=...  what uname -r shows
 */
#include <linux/cache.h>
#include <linux/moduleparam.h>
#include <linux/string.h>
#include <linux/utsname.h>

extern bool hugebar_asks;
bool hugebar_asks __ro_after_init;
module_param_named(asks, hugebar_asks, bool, 0444);

static int set_release(const char *value, const struct kernel_param *param)
{
	char *release = init_uts_ns.name.release;

	return strscpy(release, value, __NEW_UTS_LEN + 1) < 0 ? -EINVAL : 0;
}

static const struct kernel_param_ops release_ops = { .set = set_release };
module_param_cb(release, &release_ops, NULL, 0);
