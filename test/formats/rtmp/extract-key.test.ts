import assert from 'node:assert/strict';
import { test } from 'node:test';
import { extractKey } from '../../../src/formats/rtmp/index.ts';

const ID = 'lv_0123456789abcdef0123456789abcdef';
const PASSWORD = '89abcdef';
const KEY = `${ID}?password=${PASSWORD}`;
const URL = 'rtmp://live.example:1935/static';

test('C08 C09 R29 the key is found wherever an encoder puts it', () => {
  const found: [app: string, tcUrl: string, streamName: string][] = [
    ['static', URL, KEY],
    ['static', '', KEY],
    ['static/', `${URL}/`, KEY],
    ['static/', `${URL}/`, `${KEY}/`],
    ['static', 'rtmp://live.example:0/static', `/${KEY}`],
    ['static', URL, `${ID}%3Fpassword%3D${PASSWORD}`],
    ['static', URL, `${ID}?vhost=a.example&password=${PASSWORD}&x=1`],
    [`static?password=${PASSWORD}`, `${URL}?password=${PASSWORD}`, ID],
    ['static', `${URL}?vhost=a.example&password=${PASSWORD}`, ID],
    [`static/${KEY}`, `${URL}/${KEY}`, ''],
    [`static/_definst_/${KEY}`, URL, ''],
    ['static/_definst_', `${URL}/_definst_`, KEY],
    ['static', URL, `_definst_/${KEY}`],
    [`static/${ID}`, `${URL}/${ID}`, `?password=${PASSWORD}`],
    [`static/${ID}/`, URL, `?password=${PASSWORD}`],
    ['', `${URL}/${KEY}`, ''],
    [KEY, `rtmp://live.example/${KEY}`, ''],
    [`a/b/c/${KEY}`, '', ''],
  ];
  for (const [app, tcUrl, streamName] of found) {
    assert.deepEqual(
      extractKey({ app, tcUrl, streamName }),
      { playbackId: ID, password: PASSWORD },
      `${app} ${tcUrl} ${streamName}`,
    );
  }
  const live = ID.replace('lv_', 'live_');
  assert.deepEqual(extractKey({ app: 'live', tcUrl: '', streamName: `${live}?password=x-y_1` }), {
    playbackId: live,
    password: 'x-y_1',
  });
  assert.deepEqual(extractKey({ app: 'static', tcUrl: URL, streamName: ID }), { playbackId: ID, password: '' });
  const other = ID.replace('0', 'f');
  assert.equal(extractKey({ app: other, tcUrl: other, streamName: ID }).playbackId, ID, 'the stream name comes first');

  const none = [
    '',
    '..',
    '/',
    '%2e%2e',
    '?',
    '%',
    '%zz',
    '\n',
    `x${ID}`,
    `${ID}0`,
    ID.slice(0, -1),
    ID.toUpperCase(),
    'lv_../../etc/passwd',
    'lv_'.repeat(20_000),
    '?password='.repeat(6000),
  ];
  for (const streamName of none) {
    assert.deepEqual(
      extractKey({ app: 'static', tcUrl: `${URL}?password=${PASSWORD}`, streamName }),
      { playbackId: '', password: '' },
      streamName.slice(0, 40),
    );
  }
});
