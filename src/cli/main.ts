#!/usr/bin/env node
// Where `liveapi` starts. Half of a start would be compiling: V8 keeps what it has compiled beside the packages, which whoever may write
// there could change anyway; where that cannot be written it compiles as ever.
import { enableCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';
import { takeHeapFlags } from './heap-flags.ts';

// Before the server's code is loaded: the process would load it twice.
if (process.argv[2] === 'serve') takeHeapFlags();
enableCompileCache(fileURLToPath(new URL('../../node_modules/.cache/liveapi', import.meta.url)));
await import('./run.ts');
