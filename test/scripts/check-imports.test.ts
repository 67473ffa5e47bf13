import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { checkImports } from '../../scripts/check-imports.ts';

/** Writes a small tree, checks it, removes it. */
function check(files: Record<string, string>): string[] {
  const root = mkdtempSync(join(tmpdir(), 'imports-'));
  try {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    return checkImports(root).map((breach) => `${breach.file}: ${breach.message}`);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/** A tree that follows the plan, with every import that it allows. */
const house = {
  'src/base/index.ts': "export { x } from './x.ts';",
  'src/base/x.ts': "import { randomBytes } from 'node:crypto';\nexport const x = randomBytes;",
  'src/media/index.ts': "export { x } from '../base/index.ts';",
  'src/contract/index.ts': "import { x } from '../base/index.ts';\nexport { x };",
  'src/formats/amf/index.ts': "import type { x } from '../../base/index.ts';\nexport type X = typeof x;",
  'src/formats/rtmp/index.ts':
    "import type { X } from '../amf/index.ts';\nimport '../../media/index.ts';\nexport type Y = X;",
  'src/live/index.ts': "import '../media/index.ts';\nexport const live = 1;",
  'src/config/index.ts':
    "import { readFileSync } from 'node:fs';\nimport '../base/index.ts';\nexport { readFileSync };",
  'src/store/index.ts': "import { live } from '../live/index.ts';\nexport { live };",
  'src/segments/index.ts': "import '../media/index.ts';",
  'src/ingest/rtmp/index.ts': "export { server } from './server.ts';",
  'src/ingest/rtmp/server.ts':
    "import {\n  live,\n} from '../../live/index.ts';\nimport '../../formats/rtmp/index.ts';\nexport const server = live;",
  'src/origin/index.ts': "import '../segments/index.ts';",
  'src/api/index.ts': "import '../store/index.ts';\nimport '../contract/index.ts';",
  'src/client/index.ts': "import '../contract/index.ts';",
  'src/app.ts':
    "import './api/index.ts';\nimport './origin/index.ts';\nimport './ingest/rtmp/index.ts';\nimport './store/index.ts';",
  'src/cli/main.ts': "const { app } = await import('../app.ts');\nimport '../config/index.ts';\nexport { app };",
  'web/player/main.ts': "import '../../src/client/index.ts';\nimport './style.css';",
};

test('a tree that follows the plan passes, comments and strings that look like imports included', () => {
  assert.deepEqual(check(house), []);
  const comments = "// import '../store/index.ts';\n/* import '../api/index.ts';\n */\nexport const y = 1;";
  assert.deepEqual(check({ ...house, 'src/origin/index.ts': comments }), []);
});

const breaches: [title: string, file: string, text: string, says: RegExp][] = [
  [
    'a door imports another door',
    'src/origin/x.ts',
    "import '../packager/index.ts';",
    /band 3 never imports another room of band 3/,
  ],
  ['also as a type', 'src/client/x.ts', "import type { A } from '../api/index.ts';", /band 3 never imports another/],
  ['also by re-export', 'src/packager/x.ts', "export * from '../origin/index.ts';", /band 3 never imports another/],
  ['one source imports another', 'src/ingest/pull/x.ts', "import '../rtmp/index.ts';", /band 3 never imports another/],
  [
    'the media path imports store',
    'src/ingest/x.ts',
    "import { s } from '../store/index.ts';",
    /never imports store or api/,
  ],
  [
    'a hub of the media path imports store',
    'src/segments/x.ts',
    "import '../store/index.ts';",
    /never imports store or api/,
  ],
  [
    'the media path imports api',
    'src/recorder/x.ts',
    "const a = await import('../api/index.ts');",
    /never imports store or api/,
  ],
  [
    'a room imported past its front door',
    'src/origin/x.ts',
    "import '../segments/index.js';",
    /room segments through its index\.ts/,
  ],
  [
    'a format imported past its front door',
    'src/ingest/x.ts',
    "import '../formats/rtmp/chunk.ts';",
    /room formats\/rtmp through/,
  ],
  ['one format deep in another', 'src/formats/flv/x.ts', "import '../amf/decode.ts';", /room formats\/amf through/],
  [
    'a worker file of another room',
    'src/api/x.ts',
    "new URL('../store/worker.ts', import.meta.url);",
    /room store through/,
  ],
  [
    'words import a hub',
    'src/formats/flv/x.ts',
    "import '../../live/index.ts';",
    /\(band 1\) may not import live \(band 2\)/,
  ],
  [
    'a hub imports a door',
    'src/live/x.ts',
    "import '../origin/index.ts';",
    /\(band 2\) may not import origin \(band 3\)/,
  ],
  [
    'a door imports the assembly',
    'src/api/x.ts',
    "import '../app.ts';",
    /\(band 3\) may not import app\.ts \(band 4\)/,
  ],
  ['a hub imports another hub', 'src/live/x.ts', "import '../config/index.ts';", /a hub imports no other hub/],
  ['base imports another word', 'src/base/y.ts', "import '../media/index.ts';", /base may use base only/],
  ['contract imports media', 'src/contract/x.ts', "import '../media/index.ts';", /contract may use base only/],
  [
    'a socket among the words',
    'src/formats/rtmp/x.ts',
    "import net from 'node:net';",
    /no sockets, files, timers or SQL/,
  ],
  [
    'a file among the words',
    'src/media/x.ts',
    "import { open } from 'node:fs/promises';",
    /no sockets, files, timers or SQL/,
  ],
  ['a timer among the words', 'src/formats/rtmp/x.ts', 'setTimeout(() => {}, 1);', /band 1 has no timers/],
  ['an unknown room', 'src/utils/index.ts', 'export const a = 1;', /knows no room src\/utils/],
  ['src imports a test', 'src/api/x.ts', "import '../../test/support/server.ts';", /nothing outside src/],
  ['a page imports the server', 'web/player/x.ts', "import '../../src/store/index.ts';", /contract and client only/],
  [
    'S30 a connection past outbound',
    'src/live/x.ts',
    "import net from 'node:net';\nnet.connect(1935, 'host');",
    /go through src\/outbound/,
  ],
  ['S30 by a name', 'src/origin/x.ts', "import { request } from 'node:https';", /go through src\/outbound/],
  ['S30 by fetch', 'src/store/x.ts', "const a = await fetch('http://host');", /go through src\/outbound/],
  ['S30 by undici', 'src/packager/x.ts', "import { Agent } from 'undici';", /go through src\/outbound/],
  ['S30 a program', 'src/recorder/x.ts', "import { spawn } from 'node:child_process';", /go through src\/outbound/],
  [
    'a file that imports itself',
    'src/live/x.ts',
    "import './x.ts';",
    /import cycle: src\/live\/x\.ts -> src\/live\/x\.ts/,
  ],
];
for (const [title, file, text, says] of breaches) {
  test(`found: ${title}`, () => {
    const found = check({ ...house, [file]: text });
    assert.equal(found.length, 1, found.join('\n'));
    assert.match(found[0]!, says);
    assert.ok(found[0]!.startsWith(`${file}: `), found[0]);
  });
}

test('found: a cycle through three files, closed by a type import', () => {
  const found = check({
    ...house,
    'src/live/a.ts': "import './b.ts';",
    'src/live/b.ts': "import { c } from './c.ts';\nexport { c };",
    'src/live/c.ts': "import type { A } from './a.ts';\nexport const c = 1 as A;",
  });
  assert.equal(found.length, 1, found.join('\n'));
  assert.match(found[0]!, /import cycle: src\/live\/a\.ts -> src\/live\/b\.ts -> src\/live\/c\.ts -> src\/live\/a\.ts/);
});
