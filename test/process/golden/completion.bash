# bash completion for hugebar. Load it with: eval "$(hugebar completion bash)"

_hugebar() {
    # Bash splits words at colons, and devices, areas and regions are full of them: split at spaces instead.
    local line=${COMP_LINE:0:COMP_POINT} words=() cur verb= option= operands=0 index
    read -ra words <<< "$line"
    [[ $line == *[[:space:]] ]] && words+=('')
    cur=${words[-1]}
    for ((index = 1; index < ${#words[@]} - 1; index++)); do
        if [[ -n $option ]]; then
            option=
        elif _hugebar_takes_value "$verb" "${words[index]}"; then
            option=${words[index]}
        elif [[ ${words[index]} == -* ]]; then
            continue
        elif [[ -z $verb ]]; then
            verb=${words[index]}
        else
            operands=$((operands + 1))
        fi
    done
    if [[ $cur == --*=* ]]; then
        option=${cur%%=*}
        cur=${cur#*=}
    fi

    COMPREPLY=()
    if [[ -n $option ]]; then
        case $verb:$option in
            demo:-o | demo:--output) _hugebar_files ;;
            plan:--areas) _hugebar_files ;;
            plan:--arch) _hugebar_words "x86-64 arm64-4k arm64-16k arm64-64k riscv64 ppc64-radix-4k ppc64-radix-64k" ;;
            plan:--strategy) _hugebar_words "none area region physical" ;;
            plan:-o | plan:--output) _hugebar_files ;;
            map:--strategy) _hugebar_words "none area region physical" ;;
            map:--gaps) _hugebar_words "unmap guard" ;;
            map:--api) _hugebar_words "group cdev" ;;
            map:-o | map:--output) _hugebar_files ;;
            conform:--api) _hugebar_words "group cdev" ;;
            conform:-o | conform:--output) _hugebar_files ;;
            serve:--socket) _hugebar_files ;;
            serve:--like) _hugebar_words "gb200 gh200" ;;
            devices:-i | devices:--ids) _hugebar_files ;;
            devices:-o | devices:--output) _hugebar_files ;;
            devices:--sys) _hugebar_files ;;
            bind:-o | bind:--output) _hugebar_files ;;
            bind:--sys) _hugebar_files ;;
            bind:--proc) _hugebar_files ;;
            unbind:-o | unbind:--output) _hugebar_files ;;
            unbind:--sys) _hugebar_files ;;
            unbind:--proc) _hugebar_files ;;
            inspect:-o | inspect:--output) _hugebar_files ;;
            inspect:--proc) _hugebar_files ;;
            inspect:--sys) _hugebar_files ;;
            doctor:-o | doctor:--output) _hugebar_files ;;
            doctor:--proc) _hugebar_files ;;
            doctor:--sys) _hugebar_files ;;
            trace:-o | trace:--output) _hugebar_files ;;
            record:--proc) _hugebar_files ;;
            record:--sys) _hugebar_files ;;
            exporter:--web.config.file) _hugebar_files ;;
            exporter:--proc) _hugebar_files ;;
            exporter:--sys) _hugebar_files ;;
            completion:-o | completion:--output) _hugebar_files ;;
            man:-o | man:--output) _hugebar_files ;;
        esac
    elif [[ -z $verb && $cur == -* ]]; then
        _hugebar_words "-h --help -V --version"
    elif [[ -z $verb ]]; then
        _hugebar_words "demo plan map conform serve devices bind unbind inspect doctor trace record exporter completion man help"
    elif [[ $cur == -* ]]; then
        case $verb in
            demo) _hugebar_words "-j --json -o --output -q --quiet -h --help" ;;
            plan) _hugebar_words "--size --area --areas --arch --physical --strategy --cost --kernel --guest-address --hole -j --json -o --output -q --quiet -h --help" ;;
            map) _hugebar_words "--region --strategy --gaps --verify --api --enable-memory --vf-token --hold -j --json -o --output -q --quiet -h --help" ;;
            conform) _hugebar_words "--region --api --enable-memory --vf-token --touch-registers --risk-oops -j --json -o --output -q --quiet -h --help" ;;
            serve) _hugebar_words "--socket --region --like --area --trace -j --json -q --quiet -h --help" ;;
            devices) _hugebar_words "-s --slot -d --id -i --ids -j --json -o --output --sys -q --quiet -h --help" ;;
            bind) _hugebar_words "--force --no-iommu --driver --persist --group --dry-run -j --json -o --output --sys --proc -q --quiet -h --help" ;;
            unbind) _hugebar_words "--force --group --dry-run -j --json -o --output --sys --proc -q --quiet -h --help" ;;
            inspect) _hugebar_words "-a --all --check --tables -w --watch -j --json -o --output --proc --sys -q --quiet -h --help" ;;
            doctor) _hugebar_words "-j --json -o --output --proc --sys -q --quiet -h --help" ;;
            trace) _hugebar_words "--seconds --guest -j --json -o --output -q --quiet -h --help" ;;
            record) _hugebar_words "--tables --proc --sys -q --quiet -h --help" ;;
            exporter) _hugebar_words "--listen --interval --limit --faults --web.config.file --proc --sys -q --quiet -h --help" ;;
            completion) _hugebar_words "-o --output -h --help" ;;
            man) _hugebar_words "-o --output -h --help" ;;
            help) _hugebar_words "-h --help" ;;
        esac
    else
        case $verb:$operands in
            map:0) _hugebar_devices ;;
            conform:0) _hugebar_devices ;;
            devices:0) _hugebar_devices ;;
            bind:0) _hugebar_devices ;;
            unbind:0) _hugebar_devices ;;
            record:0) _hugebar_files ;;
            completion:0) _hugebar_words "bash zsh fish" ;;
            help:0) _hugebar_words "demo plan map conform serve devices bind unbind inspect doctor trace record exporter completion man help" ;;
        esac
    fi

    # Bash puts the reply in the place of what follows the last colon.
    if [[ $cur == *:* && $COMP_WORDBREAKS == *:* ]]; then
        COMPREPLY=("${COMPREPLY[@]#"${cur%"${cur##*:}"}"}")
    fi
    if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *: ]]; then
        compopt -o nospace 2> /dev/null
    fi
}

_hugebar_takes_value() {
    case $1:$2 in
        demo:-o | demo:--output | plan:--size | plan:--area | plan:--areas | plan:--arch | plan:--physical | plan:--strategy | plan:--kernel | plan:--guest-address | plan:--hole | plan:-o | plan:--output | map:--region | map:--strategy | map:--gaps | map:--api | map:--vf-token | map:-o | map:--output | conform:--region | conform:--api | conform:--vf-token | conform:-o | conform:--output | serve:--socket | serve:--region | serve:--like | serve:--area | devices:-s | devices:--slot | devices:-d | devices:--id | devices:-i | devices:--ids | devices:-o | devices:--output | devices:--sys | bind:--driver | bind:-o | bind:--output | bind:--sys | bind:--proc | unbind:-o | unbind:--output | unbind:--sys | unbind:--proc | inspect:-o | inspect:--output | inspect:--proc | inspect:--sys | doctor:-o | doctor:--output | doctor:--proc | doctor:--sys | trace:--seconds | trace:-o | trace:--output | record:--proc | record:--sys | exporter:--listen | exporter:--interval | exporter:--limit | exporter:--web.config.file | exporter:--proc | exporter:--sys | completion:-o | completion:--output | man:-o | man:--output) return 0 ;;
    esac
    return 1
}

_hugebar_words() {
    mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur")
}

_hugebar_files() {
    compopt -o filenames 2> /dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$cur")
}

_hugebar_devices() {
    if [[ $cur == vfio-user:* ]]; then
        compopt -o filenames 2> /dev/null
        mapfile -t COMPREPLY < <(compgen -P vfio-user: -f -- "${cur#vfio-user:}")
    else
        _hugebar_words "vfio-user: $(cd /sys/bus/pci/devices 2> /dev/null && echo *)"
    fi
}

complete -F _hugebar hugebar
