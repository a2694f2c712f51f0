/** QEMU's monitor for people, on a socket: a command, and what it prints. */

import { once } from "node:events";
import { createConnection } from "node:net";

const prompt = "(qemu) ";

/** How long QEMU may take for an answer; one that hangs itself gives none. */
const patienceMilliseconds = 10_000;

/** What the monitor at `path` prints for each of the commands, or a word about why it does not. */
export async function askMonitor(path: string, commands: readonly string[]): Promise<string> {
  const socket = createConnection(path).setEncoding("latin1");
  let text = "";
  try {
    const signal = AbortSignal.timeout(patienceMilliseconds);
    const reachPrompt = async (count: number): Promise<void> => {
      while (text.split(prompt).length <= count) {
        const parts: unknown[] = await once(socket, "data", { signal });
        text += parts.join("");
      }
    };
    await reachPrompt(1);
    for (const [index, command] of commands.entries()) {
      socket.write(`${command}\n`);
      await reachPrompt(index + 2);
    }
    const answers = text.split(prompt).slice(1, -1);
    // The monitor repeats each letter of a command as it is typed; what it prints begins with the next line.
    return answers
      .map((answer, index) => `${commands[index]}\n${answer.slice(answer.indexOf("\n") + 1)}`)
      .join("\n")
      .replaceAll("\r", "");
  } catch (error) {
    return `QEMU does not answer: ${error instanceof Error ? error.message : String(error)}\n${text}`;
  } finally {
    socket.destroy();
  }
}
