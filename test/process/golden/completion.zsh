#compdef hugebar
# zsh completion for hugebar. Load it with: source <(hugebar completion zsh)

_hugebar() {
    local curcontext="$curcontext" state line
    typeset -A opt_args
    _arguments -C \
        '(- *)'{-h,--help}'[show the help and exit]' \
        '(- *)'{-V,--version}'[show the version and exit]' \
        '1:verb:_hugebar_verbs' \
        '*:: :->words' && return
    [[ $state == words ]] || return
    curcontext="${curcontext%:*}-$line[1]:"
    case $line[1] in
        demo)
            _arguments -s \
                '(-j --json)'{-j,--json}'[print JSON instead of text]' \
                '(-o --output)'{-o+,--output=}'[write to FILE instead of standard output (-); .json gives JSON, .svg and .html pictures, .txt text]:FILE:_files' \
                '(-q --quiet)'{-q,--quiet}'[no messages but errors]' \
                '(-h --help)'{-h,--help}'[show this help and exit]' ;;
        plan)
            _arguments -s \
                '--size=[size of the region; without it, -o FILE.html makes a page to plan on]:SIZE: ' \
                '*--area=[a mappable part of the region; without any, all of it is one area]:OFFSET\:SIZE: ' \
                '--areas=[a file (- for standard input) with a line OFFSET\:SIZE for each area]:FILE:_files' \
                '--arch=[the paging model; this machine'\''s by default]:ARCH:(x86-64 arm64-4k arm64-16k arm64-64k riscv64 ppc64-radix-4k ppc64-radix-64k)' \
                '--physical=[physical address of the region; adds the strategy physical]:ADDRESS: ' \
                '--strategy=[show this strategy alone, part by part]:STRATEGY:(none area region physical)' \
                '--cost[add what a start of a virtual machine costs\: faults, steps of mapping for DMA, tables]' \
                '--kernel=[with --cost\: as uname -r prints it; this machine'\''s by default]:RELEASE: ' \
                '--guest-address=[where a guest sees the region; adds the leaves of the second stage]:ADDRESS: ' \
                '*--hole=[a part that the monitor cuts out for the guest, such as the MSI-X table]:OFFSET\:SIZE: ' \
                '(-j --json)'{-j,--json}'[print JSON instead of text]' \
                '(-o --output)'{-o+,--output=}'[write to FILE instead of standard output (-); .json gives JSON, .svg and .html pictures, .txt text]:FILE:_files' \
                '(-q --quiet)'{-q,--quiet}'[no messages but errors]' \
                '(-h --help)'{-h,--help}'[show this help and exit]' ;;
        map)
            _arguments -s \
                '--region=[the region; BAR 0 to 5 are regions 0 to 5]:INDEX: ' \
                '--strategy=[how the address is chosen; region by default]:STRATEGY:(none area region physical)' \
                '--gaps=[what becomes of the gaps\: unmapped (the default), or kept inaccessible]:GAPS:(unmap guard)' \
                '--verify[touch the mapping and compare what that cost with the prediction]' \
                '--api=[the kernel'\''s interface to take; cdev where the kernel has it]:API:(group cdev)' \
                '--enable-memory[switch the device'\''s memory decoding on if it is off]' \
                '--vf-token=[the VF token, where another process has the SR-IOV function or its VFs]:UUID: ' \
                '--hold[keep the mapping until a signal]' \
                '(-j --json)'{-j,--json}'[print JSON instead of text]' \
                '(-o --output)'{-o+,--output=}'[write to FILE instead of standard output (-); .json gives JSON, .svg and .html pictures, .txt text]:FILE:_files' \
                '(-q --quiet)'{-q,--quiet}'[no messages but errors]' \
                '(-h --help)'{-h,--help}'[show this help and exit]' \
                '1:DEVICE:_hugebar_devices' ;;
        conform)
            _arguments -s \
                '--region=[the region; BAR 0 to 5 are regions 0 to 5]:INDEX: ' \
                '--api=[the kernel'\''s interface to take; cdev where the kernel has it]:API:(group cdev)' \
                '--enable-memory[switch the device'\''s memory decoding on if it is off]' \
                '--vf-token=[the VF token, where another process has the SR-IOV function or its VFs]:UUID: ' \
                '--touch-registers[read a BAR that is not prefetchable, too\: reading a register may do something]' \
                '--risk-oops[also try what kernels are known to fall over\: never on a machine that matters]' \
                '(-j --json)'{-j,--json}'[print JSON instead of text]' \
                '(-o --output)'{-o+,--output=}'[write to FILE instead of standard output (-); .json gives JSON, .txt text]:FILE:_files' \
                '(-q --quiet)'{-q,--quiet}'[no messages but errors]' \
                '(-h --help)'{-h,--help}'[show this help and exit]' \
                '1:DEVICE:_hugebar_devices' ;;
        serve)
            _arguments -s \
                '--socket=[the socket to listen on; removed at the end]:PATH:_files' \
                '*--region=[a region of the device]:INDEX\:SIZE: ' \
                '--like=[the GPU of a Grace superchip, as its driver finds it; --region adds to it]:MACHINE:(gb200 gh200)' \
                '*--area=[a mappable part of a region; without any, all of it can be mapped]:INDEX\:OFFSET\:SIZE: ' \
                '--trace[print each message of the protocol, a line each, as a message]' \
                '(-j --json)'{-j,--json}'[print JSON instead of text]' \
                '(-q --quiet)'{-q,--quiet}'[no messages but errors]' \
                '(-h --help)'{-h,--help}'[show this help and exit]' ;;
        devices)
            _arguments -s \
                '(-s --slot)'{-s+,--slot=}'[only those at \[\[\[\[DOMAIN\]\:\]BUS\]\:\]\[DEVICE\]\[.\[FUNCTION\]\], as lspci -s]:SLOT: ' \
                '(-d --id)'{-d+,--id=}'[only those with \[VENDOR\]\:\[DEVICE\]\[\:CLASS\[\:INTERFACE\]\], as lspci -d]:ID: ' \
                '(-i --ids)'{-i+,--ids=}'[take names from FILE instead of hwdata'\''s pci.ids]:FILE:_files' \
                '(-j --json)'{-j,--json}'[print JSON instead of text]' \
                '(-o --output)'{-o+,--output=}'[write to FILE instead of standard output (-); .json gives JSON, .txt text]:FILE:_files' \
                '--sys=[read ROOT instead of /sys\: a recorded machine]:ROOT:_files' \
                '(-q --quiet)'{-q,--quiet}'[no messages but errors]' \
                '(-h --help)'{-h,--help}'[show this help and exit]' \
                '1::DEVICE:_hugebar_devices' ;;
        bind)
            _arguments -s \
                '--force[also a device in use, whatever uses it; each use is named]' \
                '--no-iommu[also a device that no IOMMU stands before]' \
                '--driver=[this driver, not vfio-pci or the kernel'\''s variant of it for the device]:NAME: ' \
                '--persist[keep it so over a reboot, until unbind]' \
                '--group[all devices of its IOMMU group, bridges left out]' \
                '--dry-run[print what would be written, and write nothing]' \
                '(-j --json)'{-j,--json}'[print JSON instead of text]' \
                '(-o --output)'{-o+,--output=}'[write to FILE instead of standard output (-); .json gives JSON, .txt text]:FILE:_files' \
                '--sys=[read ROOT instead of /sys; with --dry-run only]:ROOT:_files' \
                '--proc=[read ROOT instead of /proc; with --dry-run only]:ROOT:_files' \
                '(-q --quiet)'{-q,--quiet}'[no messages but errors]' \
                '(-h --help)'{-h,--help}'[show this help and exit]' \
                '1:DEVICE:_hugebar_devices' ;;
        unbind)
            _arguments -s \
                '--force[also a device that a process holds open\: the kernel waits until it is closed]' \
                '--group[all devices of its IOMMU group, bridges left out]' \
                '--dry-run[print what would be written, and write nothing]' \
                '(-j --json)'{-j,--json}'[print JSON instead of text]' \
                '(-o --output)'{-o+,--output=}'[write to FILE instead of standard output (-); .json gives JSON, .txt text]:FILE:_files' \
                '--sys=[read ROOT instead of /sys; with --dry-run only]:ROOT:_files' \
                '--proc=[read ROOT instead of /proc; with --dry-run only]:ROOT:_files' \
                '(-q --quiet)'{-q,--quiet}'[no messages but errors]' \
                '(-h --help)'{-h,--help}'[show this help and exit]' \
                '1:DEVICE:_hugebar_devices' ;;
        inspect)
            _arguments -s \
                '(-a --all)'{-a,--all}'[show what is as good as possible too]' \
                '--check[exit 1 when anything falls short]' \
                '--tables[read the page tables too\: the leaves that are there, guests'\'' included]' \
                '(-w --watch)'{-w,--watch}'[look again every two seconds, until a signal]' \
                '(-j --json)'{-j,--json}'[print JSON instead of text]' \
                '(-o --output)'{-o+,--output=}'[write to FILE instead of standard output (-); .json gives JSON, .svg and .html pictures, .prom metrics, .txt text]:FILE:_files' \
                '--proc=[read ROOT instead of /proc\: a recorded machine]:ROOT:_files' \
                '--sys=[read ROOT instead of /sys\: a recorded machine]:ROOT:_files' \
                '(-q --quiet)'{-q,--quiet}'[no messages but errors]' \
                '(-h --help)'{-h,--help}'[show this help and exit]' \
                '*:PID: ' ;;
        doctor)
            _arguments -s \
                '(-j --json)'{-j,--json}'[print JSON instead of text]' \
                '(-o --output)'{-o+,--output=}'[write to FILE instead of standard output (-); .json gives JSON, .txt text]:FILE:_files' \
                '--proc=[read ROOT instead of /proc\: a recorded machine]:ROOT:_files' \
                '--sys=[read ROOT instead of /sys\: a recorded machine]:ROOT:_files' \
                '(-q --quiet)'{-q,--quiet}'[no messages but errors]' \
                '(-h --help)'{-h,--help}'[show this help and exit]' ;;
        trace)
            _arguments -s \
                '--seconds=[stop after N seconds; without it, at a signal]:N: ' \
                '--guest[count the leaves that KVM lays for guests over device memory instead]' \
                '(-j --json)'{-j,--json}'[print JSON instead of text]' \
                '(-o --output)'{-o+,--output=}'[write to FILE instead of standard output (-); .json gives JSON, .txt text]:FILE:_files' \
                '(-q --quiet)'{-q,--quiet}'[no messages but errors]' \
                '(-h --help)'{-h,--help}'[show this help and exit]' \
                '*:PID: ' ;;
        record)
            _arguments -s \
                '--tables[save what inspect --tables reads, too\: results, no memory]' \
                '--proc=[read ROOT instead of /proc\: a recorded machine]:ROOT:_files' \
                '--sys=[read ROOT instead of /sys\: a recorded machine]:ROOT:_files' \
                '(-q --quiet)'{-q,--quiet}'[no messages but errors]' \
                '(-h --help)'{-h,--help}'[show this help and exit]' \
                '1:DIR:_files' ;;
        exporter)
            _arguments -s \
                '--listen=[where\: ADDRESS\:PORT, unix\:PATH, or systemd for a socket unit'\''s; 127.0.0.1\:9741 if left out]:ADDRESS: ' \
                '--interval=[scan at most this often, however many ask; 15 if left out]:SECONDS: ' \
                '--limit=[end a scan that takes longer; 8 if left out]:SECONDS: ' \
                '--faults[count page faults on device memory too, in the kernel\: as root, with tracefs]' \
                '--web.config.file=[TLS and passwords, in the file that Prometheus'\'' exporters share]:FILE:_files' \
                '--proc=[read ROOT instead of /proc\: a recorded machine]:ROOT:_files' \
                '--sys=[read ROOT instead of /sys\: a recorded machine]:ROOT:_files' \
                '(-q --quiet)'{-q,--quiet}'[no messages but errors]' \
                '(-h --help)'{-h,--help}'[show this help and exit]' ;;
        completion)
            _arguments -s \
                '(-o --output)'{-o+,--output=}'[write to FILE instead of standard output (-)]:FILE:_files' \
                '(-h --help)'{-h,--help}'[show this help and exit]' \
                '1:SHELL:(bash zsh fish)' ;;
        man)
            _arguments -s \
                '(-o --output)'{-o+,--output=}'[write to FILE instead of standard output (-)]:FILE:_files' \
                '(-h --help)'{-h,--help}'[show this help and exit]' ;;
        help)
            _arguments -s \
                '(-h --help)'{-h,--help}'[show this help and exit]' \
                '1::VERB:_hugebar_verbs' ;;
    esac
}

_hugebar_verbs() {
    local -a verbs=(
        'demo:map a GPU-sized region three ways, without hardware, and compare'
        'plan:predict the leaves of a region of any shape, for any architecture'
        'map:map a region of a device into this process and print the mapping'
        'conform:test whether this kernel gives a device'\''s memory the leaves that it should'
        'serve:serve a vfio-user device of any shape, backed by sparse memory'
        'devices:list PCI devices with driver, IOMMU group and BARs'
        'bind:hand a PCI device to vfio-pci'
        'unbind:give a PCI device back from VFIO to its own driver'
        'inspect:show which processes map device memory, how well, and why not better'
        'doctor:examine this machine: what keeps device memory from huge pages, and what to do'
        'trace:count the page faults on device memory while they happen'
        'record:save what inspect reads of this machine, to look at it elsewhere'
        'exporter:serve what inspect finds as metrics for Prometheus'
        'completion:print the completion script for a shell'
        'man:print the manual page'
        'help:show the help of the tool, or of a verb'
    )
    _describe -t verbs verb verbs
}

_hugebar_devices() {
    if compset -P vfio-user:; then
        _files
    else
        local -a devices=(/sys/bus/pci/devices/*(N:t))
        compadd -S '' -- vfio-user:
        compadd -- $devices
    fi
}

# Sourced, it registers itself; kept in a folder of fpath, the file is the function's body.
if [[ $funcstack[1] == _hugebar ]]; then
    _hugebar "$@"
elif (( $+functions[compdef] )); then
    compdef _hugebar hugebar
else
    print -u2 "hugebar: load zsh's completion first: autoload -U compinit && compinit"
fi
