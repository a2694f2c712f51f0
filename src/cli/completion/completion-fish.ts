import type { Verb, VerbOption } from "../../report/manual/verb.ts";
import { VERBS } from "../verbs.ts";

/** Completion for fish. */
export function fishCompletion(): string {
  const verbs = Object.entries<Verb>(VERBS);
  return `# fish completion for hugebar. Load it with: hugebar completion fish | source

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
${verbs.map(([name, { summary }]) => `complete -c hugebar -n __hugebar_verb -a ${name} -d ${quoted(summary)}`).join("\n")}
${verbs.flatMap(([name, verb]) => verbLines(name, verb)).join("\n")}
`;
}

function verbLines(name: string, verb: Verb): string[] {
  const condition = `complete -c hugebar -n '__hugebar_verb ${name}'`;
  const operands = verb.operands.flatMap(({ choices, completes, summary }) => {
    const values = valuesOf(choices, completes);
    return values === null ? [] : [`${condition} -a ${quoted(values)} -d ${quoted(summary)}`];
  });
  const options = Object.entries(verb.options).map(
    ([option, row]) => `${condition}${optionFlags(option, row)} -d ${quoted(row.summary)}`,
  );
  return [...operands, ...options];
}

function optionFlags(name: string, option: VerbOption): string {
  const form = `${option.short === undefined ? "" : ` -s ${option.short}`} -l ${name}`;
  if (option.type === "boolean") return form;
  if (option.completes === "file") return `${form} -r -F`;
  const values = valuesOf(option.choices, option.completes);
  return `${form} -x${values === null ? "" : ` -a ${quoted(values)}`}`;
}

function valuesOf(
  choices: readonly string[] | undefined,
  completes: "file" | "device" | "verb" | undefined,
): string | null {
  if (choices !== undefined) return choices.join(" ");
  if (completes === "device") return "(__hugebar_devices)";
  return completes === "verb" ? Object.keys(VERBS).join(" ") : null;
}

function quoted(text: string): string {
  return `'${text.replaceAll(/['\\]/g, (sign) => `\\${sign}`)}'`;
}
