import type { Operand, Verb, VerbOption } from "../../report/manual/verb.ts";
import { VERBS } from "../verbs.ts";

/** Completion for zsh: to be sourced, or kept as `_hugebar` in a folder of `fpath`. */
export function zshCompletion(): string {
  const verbs = Object.entries<Verb>(VERBS);
  return `#compdef hugebar
# zsh completion for hugebar. Load it with: source <(hugebar completion zsh)

_hugebar() {
    local curcontext="$curcontext" state line
    typeset -A opt_args
    _arguments -C \\
        '(- *)'{-h,--help}'[show the help and exit]' \\
        '(- *)'{-V,--version}'[show the version and exit]' \\
        '1:verb:_hugebar_verbs' \\
        '*:: :->words' && return
    [[ $state == words ]] || return
    curcontext="\${curcontext%:*}-$line[1]:"
    case $line[1] in
${verbs.map(([name, verb]) => verbCase(name, verb)).join("\n")}
    esac
}

_hugebar_verbs() {
    local -a verbs=(
${verbs.map(([name, { summary }]) => `        ${quoted(`${name}:${summary}`)}`).join("\n")}
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
`;
}

function verbCase(name: string, verb: Verb): string {
  const specs = [
    ...Object.entries(verb.options).map(([option, row]) => optionSpec(option, row)),
    ...verb.operands.map((operand, index) => operandSpec(operand, index + 1)),
  ];
  return `        ${name})\n            _arguments -s \\\n${specs.map((spec) => `                ${spec}`).join(" \\\n")} ;;`;
}

function optionSpec(name: string, option: VerbOption): string {
  const text = `[${escaped(option.summary)}]`;
  const argument =
    option.type === "boolean"
      ? ""
      : `:${escaped(option.value)}:${actionOf(option.choices, option.completes)}`;
  const long = option.type === "boolean" ? `--${name}` : `--${name}=`;
  if (option.short === undefined) {
    const star = option.type === "string" && option.multiple === true ? "*" : "";
    return quoted(`${star}${long}${text}${argument}`);
  }
  const short = option.type === "boolean" ? `-${option.short}` : `-${option.short}+`;
  return `'(-${option.short} --${name})'{${short},${long}}${quoted(`${text}${argument}`)}`;
}

function operandSpec(operand: Operand, position: number): string {
  const { name, choices, completes, optional, repeatable } = operand;
  const colons = optional === true && repeatable !== true ? "::" : ":";
  return quoted(`${repeatable === true ? "*" : position}${colons}${name}:${actionOf(choices, completes)}`);
}

function actionOf(
  choices: readonly string[] | undefined,
  completes: "file" | "device" | "verb" | undefined,
): string {
  if (choices !== undefined) return `(${choices.join(" ")})`;
  if (completes === undefined) return " ";
  return { file: "_files", device: "_hugebar_devices", verb: "_hugebar_verbs" }[completes];
}

/** In a specification of `_arguments`, colons and brackets part its fields. */
function escaped(text: string): string {
  return text.replaceAll(/[[\]:]/g, (sign) => `\\${sign}`);
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
