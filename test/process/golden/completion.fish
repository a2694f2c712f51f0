# fish completion for hugebar. Load it with: hugebar completion fish | source

# Whether the verb on the command line is $argv[1]; without $argv[1], whether there is none yet.
function __hugebar_verb
    for word in (commandline -opc)[2..]
        string match -q -- '-*' $word; and continue
        test "$word" = "$argv[1]"
        return
    end
    test -z "$argv[1]"
end

# PCI devices by address, and sockets of vfio-user devices by path.
function __hugebar_devices
    echo vfio-user:
    for device in /sys/bus/pci/devices/*
        string replace -r '.*/' '' $device
    end
    set -l word (commandline -ct)
    if string match -q 'vfio-user:*' -- $word
        for file in (string replace vfio-user: '' -- $word)*
            echo vfio-user:$file
        end
    end
end

complete -c hugebar -f
complete -c hugebar -n __hugebar_verb -s h -l help -d 'show the help and exit'
complete -c hugebar -n __hugebar_verb -s V -l version -d 'show the version and exit'
complete -c hugebar -n __hugebar_verb -a demo -d 'map a GPU-sized region three ways, without hardware, and compare'
complete -c hugebar -n __hugebar_verb -a plan -d 'predict the leaves of a region of any shape, for any architecture'
complete -c hugebar -n __hugebar_verb -a map -d 'map a region of a device into this process and print the mapping'
complete -c hugebar -n __hugebar_verb -a serve -d 'serve a vfio-user device of any shape, backed by sparse memory'
complete -c hugebar -n __hugebar_verb -a devices -d 'list PCI devices with driver, IOMMU group and BARs'
complete -c hugebar -n __hugebar_verb -a bind -d 'hand a PCI device to vfio-pci'
complete -c hugebar -n __hugebar_verb -a unbind -d 'give a PCI device back from VFIO to its own driver'
complete -c hugebar -n __hugebar_verb -a inspect -d 'show which processes map device memory, how well, and why not better'
complete -c hugebar -n __hugebar_verb -a doctor -d 'examine this machine: what keeps device memory from huge pages, and what to do'
complete -c hugebar -n __hugebar_verb -a trace -d 'count the page faults on device memory while they happen'
complete -c hugebar -n __hugebar_verb -a record -d 'save what inspect reads of this machine, to look at it elsewhere'
complete -c hugebar -n __hugebar_verb -a completion -d 'print the completion script for a shell'
complete -c hugebar -n __hugebar_verb -a man -d 'print the manual page'
complete -c hugebar -n __hugebar_verb -a help -d 'show the help of the tool, or of a verb'
complete -c hugebar -n '__hugebar_verb demo' -s j -l json -d 'print JSON instead of text'
complete -c hugebar -n '__hugebar_verb demo' -s o -l output -r -F -d 'write to FILE instead of standard output (-); .json gives JSON, .svg and .html pictures, .txt text'
complete -c hugebar -n '__hugebar_verb demo' -s q -l quiet -d 'no messages but errors'
complete -c hugebar -n '__hugebar_verb demo' -s h -l help -d 'show this help and exit'
complete -c hugebar -n '__hugebar_verb plan' -l size -x -d 'size of the region'
complete -c hugebar -n '__hugebar_verb plan' -l area -x -d 'a mappable part of the region; without any, all of it is one area'
complete -c hugebar -n '__hugebar_verb plan' -l arch -x -a 'x86-64 arm64-4k arm64-16k arm64-64k riscv64 ppc64-radix-4k ppc64-radix-64k' -d 'the paging model; this machine\'s by default'
complete -c hugebar -n '__hugebar_verb plan' -l physical -x -d 'physical address of the region; adds the strategy physical'
complete -c hugebar -n '__hugebar_verb plan' -l strategy -x -a 'none area region physical' -d 'show this strategy alone, part by part'
complete -c hugebar -n '__hugebar_verb plan' -l guest-address -x -d 'where a guest sees the region; adds the leaves of the second stage'
complete -c hugebar -n '__hugebar_verb plan' -l hole -x -d 'a part that the monitor cuts out for the guest, such as the MSI-X table'
complete -c hugebar -n '__hugebar_verb plan' -s j -l json -d 'print JSON instead of text'
complete -c hugebar -n '__hugebar_verb plan' -s o -l output -r -F -d 'write to FILE instead of standard output (-); .json gives JSON, .svg and .html pictures, .txt text'
complete -c hugebar -n '__hugebar_verb plan' -s q -l quiet -d 'no messages but errors'
complete -c hugebar -n '__hugebar_verb plan' -s h -l help -d 'show this help and exit'
complete -c hugebar -n '__hugebar_verb map' -a '(__hugebar_devices)' -d '0000:01:00.0, 01:00.0 or vfio-user:PATH'
complete -c hugebar -n '__hugebar_verb map' -l region -x -d 'the region; BAR 0 to 5 are regions 0 to 5'
complete -c hugebar -n '__hugebar_verb map' -l strategy -x -a 'none area region physical' -d 'how the address is chosen; region by default'
complete -c hugebar -n '__hugebar_verb map' -l gaps -x -a 'unmap guard' -d 'what becomes of the gaps: unmapped (the default), or kept inaccessible'
complete -c hugebar -n '__hugebar_verb map' -l verify -d 'touch the mapping and compare what that cost with the prediction'
complete -c hugebar -n '__hugebar_verb map' -l api -x -a 'group cdev' -d 'the kernel\'s interface to take; cdev where the kernel has it'
complete -c hugebar -n '__hugebar_verb map' -l enable-memory -d 'switch the device\'s memory decoding on if it is off'
complete -c hugebar -n '__hugebar_verb map' -l hold -d 'keep the mapping until a signal'
complete -c hugebar -n '__hugebar_verb map' -s j -l json -d 'print JSON instead of text'
complete -c hugebar -n '__hugebar_verb map' -s o -l output -r -F -d 'write to FILE instead of standard output (-); .json gives JSON, .svg and .html pictures, .txt text'
complete -c hugebar -n '__hugebar_verb map' -s q -l quiet -d 'no messages but errors'
complete -c hugebar -n '__hugebar_verb map' -s h -l help -d 'show this help and exit'
complete -c hugebar -n '__hugebar_verb serve' -l socket -r -F -d 'the socket to listen on; removed at the end'
complete -c hugebar -n '__hugebar_verb serve' -l region -x -d 'a region of the device'
complete -c hugebar -n '__hugebar_verb serve' -l area -x -d 'a mappable part of a region; without any, all of it can be mapped'
complete -c hugebar -n '__hugebar_verb serve' -s j -l json -d 'print JSON instead of text'
complete -c hugebar -n '__hugebar_verb serve' -s q -l quiet -d 'no messages but errors'
complete -c hugebar -n '__hugebar_verb serve' -s h -l help -d 'show this help and exit'
complete -c hugebar -n '__hugebar_verb devices' -a '(__hugebar_devices)' -d 'this one only'
complete -c hugebar -n '__hugebar_verb devices' -s j -l json -d 'print JSON instead of text'
complete -c hugebar -n '__hugebar_verb devices' -s o -l output -r -F -d 'write to FILE instead of standard output (-); .json gives JSON, .txt text'
complete -c hugebar -n '__hugebar_verb devices' -l sys -r -F -d 'read ROOT instead of /sys: a recorded machine'
complete -c hugebar -n '__hugebar_verb devices' -s q -l quiet -d 'no messages but errors'
complete -c hugebar -n '__hugebar_verb devices' -s h -l help -d 'show this help and exit'
complete -c hugebar -n '__hugebar_verb bind' -a '(__hugebar_devices)' -d '0000:01:00.0 or 01:00.0'
complete -c hugebar -n '__hugebar_verb bind' -l force -d 'also a device in use, whatever uses it; each use is named'
complete -c hugebar -n '__hugebar_verb bind' -l no-iommu -d 'also a device that no IOMMU stands before'
complete -c hugebar -n '__hugebar_verb bind' -l driver -x -d 'this driver, not vfio-pci or the kernel\'s variant of it for the device'
complete -c hugebar -n '__hugebar_verb bind' -l persist -d 'keep it so over a reboot, until unbind'
complete -c hugebar -n '__hugebar_verb bind' -l group -d 'all devices of its IOMMU group, bridges left out'
complete -c hugebar -n '__hugebar_verb bind' -l dry-run -d 'print what would be written, and write nothing'
complete -c hugebar -n '__hugebar_verb bind' -s j -l json -d 'print JSON instead of text'
complete -c hugebar -n '__hugebar_verb bind' -s o -l output -r -F -d 'write to FILE instead of standard output (-); .json gives JSON, .txt text'
complete -c hugebar -n '__hugebar_verb bind' -l sys -r -F -d 'read ROOT instead of /sys; with --dry-run only'
complete -c hugebar -n '__hugebar_verb bind' -l proc -r -F -d 'read ROOT instead of /proc; with --dry-run only'
complete -c hugebar -n '__hugebar_verb bind' -s q -l quiet -d 'no messages but errors'
complete -c hugebar -n '__hugebar_verb bind' -s h -l help -d 'show this help and exit'
complete -c hugebar -n '__hugebar_verb unbind' -a '(__hugebar_devices)' -d '0000:01:00.0 or 01:00.0'
complete -c hugebar -n '__hugebar_verb unbind' -l force -d 'also a device that a process holds open: the kernel waits until it is closed'
complete -c hugebar -n '__hugebar_verb unbind' -l group -d 'all devices of its IOMMU group, bridges left out'
complete -c hugebar -n '__hugebar_verb unbind' -l dry-run -d 'print what would be written, and write nothing'
complete -c hugebar -n '__hugebar_verb unbind' -s j -l json -d 'print JSON instead of text'
complete -c hugebar -n '__hugebar_verb unbind' -s o -l output -r -F -d 'write to FILE instead of standard output (-); .json gives JSON, .txt text'
complete -c hugebar -n '__hugebar_verb unbind' -l sys -r -F -d 'read ROOT instead of /sys; with --dry-run only'
complete -c hugebar -n '__hugebar_verb unbind' -l proc -r -F -d 'read ROOT instead of /proc; with --dry-run only'
complete -c hugebar -n '__hugebar_verb unbind' -s q -l quiet -d 'no messages but errors'
complete -c hugebar -n '__hugebar_verb unbind' -s h -l help -d 'show this help and exit'
complete -c hugebar -n '__hugebar_verb inspect' -s a -l all -d 'show what is as good as possible too'
complete -c hugebar -n '__hugebar_verb inspect' -l check -d 'exit 1 when anything falls short'
complete -c hugebar -n '__hugebar_verb inspect' -s w -l watch -d 'look again every two seconds, until a signal'
complete -c hugebar -n '__hugebar_verb inspect' -s j -l json -d 'print JSON instead of text'
complete -c hugebar -n '__hugebar_verb inspect' -s o -l output -r -F -d 'write to FILE instead of standard output (-); .json gives JSON, .svg and .html pictures, .txt text'
complete -c hugebar -n '__hugebar_verb inspect' -l proc -r -F -d 'read ROOT instead of /proc: a recorded machine'
complete -c hugebar -n '__hugebar_verb inspect' -l sys -r -F -d 'read ROOT instead of /sys: a recorded machine'
complete -c hugebar -n '__hugebar_verb inspect' -s q -l quiet -d 'no messages but errors'
complete -c hugebar -n '__hugebar_verb inspect' -s h -l help -d 'show this help and exit'
complete -c hugebar -n '__hugebar_verb doctor' -s j -l json -d 'print JSON instead of text'
complete -c hugebar -n '__hugebar_verb doctor' -s o -l output -r -F -d 'write to FILE instead of standard output (-); .json gives JSON, .txt text'
complete -c hugebar -n '__hugebar_verb doctor' -l proc -r -F -d 'read ROOT instead of /proc: a recorded machine'
complete -c hugebar -n '__hugebar_verb doctor' -l sys -r -F -d 'read ROOT instead of /sys: a recorded machine'
complete -c hugebar -n '__hugebar_verb doctor' -s q -l quiet -d 'no messages but errors'
complete -c hugebar -n '__hugebar_verb doctor' -s h -l help -d 'show this help and exit'
complete -c hugebar -n '__hugebar_verb trace' -l seconds -x -d 'stop after N seconds; without it, at a signal'
complete -c hugebar -n '__hugebar_verb trace' -s j -l json -d 'print JSON instead of text'
complete -c hugebar -n '__hugebar_verb trace' -s o -l output -r -F -d 'write to FILE instead of standard output (-); .json gives JSON, .txt text'
complete -c hugebar -n '__hugebar_verb trace' -s q -l quiet -d 'no messages but errors'
complete -c hugebar -n '__hugebar_verb trace' -s h -l help -d 'show this help and exit'
complete -c hugebar -n '__hugebar_verb record' -l proc -r -F -d 'read ROOT instead of /proc: a recorded machine'
complete -c hugebar -n '__hugebar_verb record' -l sys -r -F -d 'read ROOT instead of /sys: a recorded machine'
complete -c hugebar -n '__hugebar_verb record' -s q -l quiet -d 'no messages but errors'
complete -c hugebar -n '__hugebar_verb record' -s h -l help -d 'show this help and exit'
complete -c hugebar -n '__hugebar_verb completion' -a 'bash zsh fish' -d 'bash, zsh or fish'
complete -c hugebar -n '__hugebar_verb completion' -s o -l output -r -F -d 'write to FILE instead of standard output (-)'
complete -c hugebar -n '__hugebar_verb completion' -s h -l help -d 'show this help and exit'
complete -c hugebar -n '__hugebar_verb man' -s o -l output -r -F -d 'write to FILE instead of standard output (-)'
complete -c hugebar -n '__hugebar_verb man' -s h -l help -d 'show this help and exit'
complete -c hugebar -n '__hugebar_verb help' -a 'demo plan map serve devices bind unbind inspect doctor trace record completion man help' -d 'the verb'
complete -c hugebar -n '__hugebar_verb help' -s h -l help -d 'show this help and exit'
