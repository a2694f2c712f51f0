#!/bin/busybox sh
# The guest's first process: sets the system up, runs the tests, and turns the machine off. The report goes out on the
# second serial port, everything else on the first, which is the console.
/bin/busybox --install -s /bin
export PATH=/bin HOME=/root
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mkdir -p /dev/shm /dev/pts
mount -t tmpfs none /dev/shm
mount -t tmpfs none /tmp
mount -t debugfs none /sys/kernel/debug
mount -t tracefs none /sys/kernel/tracing
ip link set lo up 2>/dev/null

# modprobe looks below the kernel's own release.
mkdir -p "/lib/modules/$(uname -r)"
mv /modules/* "/lib/modules/$(uname -r)/" 2>/dev/null
if [ -s "/lib/modules/$(uname -r)/modules.dep" ]; then
  modprobe vfio_iommu_type1
  modprobe vfio_pci
fi

# Programs that run by chroot from a root of their own see this machine's devices.
for root in /qemu/* /tools; do
  [ -d "$root" ] || continue
  for folder in dev proc sys tmp; do
    mkdir -p "$root/$folder"
    mount --rbind "/$folder" "$root/$folder"
  done
done

cd /hugebar
. /hugebar/environment
export NODE_OPTIONS=--import=/hugebar/stripped.js
# In emulation most of a start of the tool is compiling it: every start but the first takes half the time so.
export NODE_COMPILE_CACHE=/tmp/compiled
stty -F "/dev/$REPORT_PORT" raw -echo
# What everything waits for, should the tests not be done by then: nobody can ask once the time limit has ended the guest.
(
  sleep "$LOOK_AFTER"
  for task in /proc/[0-9]*/task/[0-9]*; do
    state=$(sed -n 's/^State:[[:space:]]*//p' "$task/status")
    # Threads of the kernel's only where they wait for something that must come.
    [ -n "$(head -c 1 "${task%/task/*}/cmdline")" ] || [ "${state%% *}" = D ] || continue
    echo "$task $(cat "$task/comm"): $state"
    cat "$task/stack"
  done
) >/dev/console 2>/dev/null &
node --test --test-concurrency=1 --test-force-exit --test-timeout="$TEST_TIMEOUT" \
  --test-reporter=./test/vm/report/guest-reporter.ts $TEST_FILES >"/dev/$REPORT_PORT"
status=$?
[ "$status" = 0 ] || dmesg
echo "{\"type\":\"end\",\"status\":$status}" >"/dev/$REPORT_PORT"
poweroff -f
