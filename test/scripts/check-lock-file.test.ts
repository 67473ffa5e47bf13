import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { checkLockFile } from '../../scripts/check-lock-file.ts';

const integrity = `sha512-${'A'.repeat(86)}==`;
const lock = (packages: Record<string, object>) =>
  JSON.stringify({ lockfileVersion: 3, packages: { '': { name: 'x' }, ...packages } });
const from = (host: string) => ({ resolved: `https://${host}/a/-/a-1.0.0.tgz`, integrity });

test('S48 a lock file may name one registry, has a digest for everything and no install scripts', () => {
  assert.deepEqual(checkLockFile(readFileSync('package-lock.json', 'utf8')), []);
  assert.deepEqual(checkLockFile(lock({ a: from('registry.example'), b: { integrity } })), []);
  for (const [packages, breach] of [
    [{ a: from('one.example'), b: from('two.example') }, /several registries: https:\/\/one\.example, https:\/\/two/],
    [{ a: { resolved: 'git+ssh://git@example.com/a.git#1', integrity } }, /^a: comes from no registry$/],
    [{ a: { resolved: 'http://one.example/a.tgz', integrity } }, /^a: comes from no registry$/],
    [{ a: { resolved: '../a', link: true, integrity } }, /^a: comes from no registry$/],
    [{ a: { version: '1.0.0' } }, /^a: no sha512 digest$/],
    [{ a: { integrity: 'sha1-AAAA' } }, /^a: no sha512 digest$/],
    [{ a: { integrity, hasInstallScript: true } }, /^a: runs a program/],
  ] as [Record<string, object>, RegExp][]) {
    const breaches = checkLockFile(lock(packages));
    assert.equal(breaches.length, 1, JSON.stringify(packages));
    assert.match(breaches[0]!, breach);
  }
  assert.deepEqual(checkLockFile('{"lockfileVersion":1,"dependencies":{}}'), ['no list of packages']);
});
