import type { Verb, VerbOption } from "../../report/manual/verb.ts";
import { VERBS } from "../verbs.ts";

/** Completion for bash, without any need of the bash-completion package. */
export function bashCompletion(): string {
  const verbs = Object.entries<Verb>(VERBS);
  const names = verbs.map(([name]) => name).join(" ");
  return `# bash completion for hugebar. Load it with: eval "$(hugebar completion bash)"

_hugebar() {
    # Bash splits words at colons, and devices, areas and regions are full of them: split at spaces instead.
    local line=\${COMP_LINE:0:COMP_POINT} words=() cur verb= option= operands=0 index
    read -ra words <<< "$line"
    [[ $line == *[[:space:]] ]] && words+=('')
    cur=\${words[-1]}
    for ((index = 1; index < \${#words[@]} - 1; index++)); do
        if [[ -n $option ]]; then
            option=
        elif _hugebar_takes_value "$verb" "\${words[index]}"; then
            option=\${words[index]}
        elif [[ \${words[index]} == -* ]]; then
            continue
        elif [[ -z $verb ]]; then
            verb=\${words[index]}
        else
            operands=$((operands + 1))
        fi
    done
    if [[ $cur == --*=* ]]; then
        option=\${cur%%=*}
        cur=\${cur#*=}
    fi

    COMPREPLY=()
    if [[ -n $option ]]; then
        case $verb:$option in
${indented(verbs.flatMap(([name, verb]) => valueCases(name, verb)))}
        esac
    elif [[ -z $verb && $cur == -* ]]; then
        _hugebar_words "-h --help -V --version"
    elif [[ -z $verb ]]; then
        _hugebar_words "${names}"
    elif [[ $cur == -* ]]; then
        case $verb in
${indented(verbs.map(([name, verb]) => `${name}) _hugebar_words "${optionWords(verb)}" ;;`))}
        esac
    else
        case $verb:$operands in
${indented(verbs.flatMap(([name, verb]) => operandCases(name, verb, names)))}
        esac
    fi

    # Bash puts the reply in the place of what follows the last colon.
    if [[ $cur == *:* && $COMP_WORDBREAKS == *:* ]]; then
        COMPREPLY=("\${COMPREPLY[@]#"\${cur%"\${cur##*:}"}"}")
    fi
    if [[ \${#COMPREPLY[@]} == 1 && \${COMPREPLY[0]} == *: ]]; then
        compopt -o nospace 2> /dev/null
    fi
}

_hugebar_takes_value() {
    case $1:$2 in
        ${verbs.flatMap(([name, verb]) => valueForms(name, verb)).join(" | ")}) return 0 ;;
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
        mapfile -t COMPREPLY < <(compgen -P vfio-user: -f -- "\${cur#vfio-user:}")
    else
        _hugebar_words "vfio-user: $(cd /sys/bus/pci/devices 2> /dev/null && echo *)"
    fi
}

complete -F _hugebar hugebar
`;
}

function indented(lines: readonly string[]): string {
  return lines.map((line) => `            ${line}`).join("\n");
}

/** `plan:--size`, for each option with a value. */
function valueForms(name: string, verb: Verb): string[] {
  return Object.entries(verb.options).flatMap(([option, row]) =>
    row.type === "boolean" ? [] : forms(option, row).map((form) => `${name}:${form}`),
  );
}

function valueCases(name: string, verb: Verb): string[] {
  return Object.entries(verb.options).flatMap(([option, row]) => {
    if (row.type === "boolean") return [];
    const action = actionOf(row.choices, row.completes, "");
    if (action === null) return [];
    return [
      `${forms(option, row)
        .map((form) => `${name}:${form}`)
        .join(" | ")}) ${action} ;;`,
    ];
  });
}

function operandCases(name: string, verb: Verb, verbs: string): string[] {
  return verb.operands.flatMap(({ choices, completes }, index) => {
    const action = actionOf(choices, completes, verbs);
    return action === null ? [] : [`${name}:${index}) ${action} ;;`];
  });
}

function actionOf(
  choices: readonly string[] | undefined,
  completes: "file" | "device" | "verb" | undefined,
  verbs: string,
): string | null {
  if (choices !== undefined) return `_hugebar_words "${choices.join(" ")}"`;
  if (completes === undefined) return null;
  return { file: "_hugebar_files", device: "_hugebar_devices", verb: `_hugebar_words "${verbs}"` }[completes];
}

function optionWords(verb: Verb): string {
  return Object.entries(verb.options)
    .flatMap(([option, row]) => forms(option, row))
    .join(" ");
}

/** `-o` and `--output` */
function forms(option: string, { short }: VerbOption): string[] {
  return short === undefined ? [`--${option}`] : [`-${short}`, `--${option}`];
}
