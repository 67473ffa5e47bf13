// S48: what is installed is what somebody has looked at. Every package of package-lock.json carries a digest, comes from one registry,
// and runs no program of its own when it is installed.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

interface Locked {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly link?: boolean;
  readonly hasInstallScript?: boolean;
}

/** What is wrong with a lock file (version 2 or 3), a line for each breach. */
export function checkLockFile(text: string): string[] {
  const lock = JSON.parse(text) as { packages?: Record<string, Locked> };
  const breaches: string[] = [];
  const registries = new Set<string>();
  for (const [path, { resolved, integrity, link, hasInstallScript }] of Object.entries(lock.packages ?? {})) {
    if (path === '') continue;
    if (link || (resolved && !/^https:/.test(resolved))) breaches.push(`${path}: comes from no registry`);
    else if (resolved) registries.add(new URL(resolved).origin);
    if (!/^sha512-[\w+/]{86}==$/.test(integrity ?? '')) breaches.push(`${path}: no sha512 digest`);
    if (hasInstallScript) breaches.push(`${path}: runs a program when it is installed`);
  }
  if (!lock.packages) breaches.push('no list of packages');
  if (registries.size > 1) breaches.push(`several registries: ${[...registries].join(', ')}`);
  return breaches;
}

if (import.meta.main) {
  const breaches = checkLockFile(readFileSync(fileURLToPath(new URL('../package-lock.json', import.meta.url)), 'utf8'));
  for (const breach of breaches) console.error(`package-lock.json: ${breach}`);
  process.exitCode = breaches.length > 0 ? 1 : 0;
}
