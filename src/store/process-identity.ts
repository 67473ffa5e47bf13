import { readFileSync, readlinkSync } from 'node:fs';

/** This process, told apart from every other one on any machine; null where the system does not tell (it is not Linux). */
export function processIdentity(): string | null {
  const [space, began] = [processSpace(), startOf(process.pid)];
  return space && began ? `${space}/${process.pid}/${began}` : null;
}

/** Whether the process of an identity is there; null when that cannot be seen from here: it is another machine's or container's. */
export function isAlive(identity: string): boolean | null {
  const parts = identity.split('/');
  const [pid, began] = [Number(parts[2]), parts[3]];
  if (`${parts[0]}/${parts[1]}` !== processSpace()) return null;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  // Its number may be another one's by now. What may not be looked at is taken for it.
  return (startOf(pid) ?? began) === began;
}

/** Within it a process id means one process: this boot of the machine and this namespace of ids. */
function processSpace(): string | null {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return `${boot}/${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return null;
  }
}

/** When it began, in ticks since the machine did; `over` for one that has ended and waits to be taken note of. */
function startOf(pid: number): string | null {
  try {
    // After the name, which stands in brackets and may hold anything: the state, and 19 fields later the start (proc(5)).
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
    return fields[0] === 'Z' ? 'over' : fields[19]!;
  } catch {
    return null;
  }
}
