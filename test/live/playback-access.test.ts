import assert from 'node:assert/strict';
import { createHmac, createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import test from 'node:test';
import { createLogger } from '../../src/base/index.ts';
import { PlaybackAccess, type PlaybackRules, type ViewerFacts } from '../../src/live/index.ts';

const A = `lv_${'a'.repeat(32)}`;
const B = `lv_${'b'.repeat(32)}`;
const KID = 'a1'.repeat(12);
const ED = 'b2'.repeat(12);
const FOREIGN = 'c3'.repeat(12);
const NOW_S = 1_800_000_000;
const OPEN: PlaybackRules = {
  signed: false,
  keys: new Map(),
  password: null,
  domains: [],
  byDomain: false,
  countries: [],
  blockedCountries: [],
};
const NOBODY: ViewerFacts = { token: null, site: null, country: null };

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const other = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ed = generateKeyPairSync('ed25519');
const keys: PlaybackRules['keys'] = new Map([
  [KID, { algorithm: 'RS256', key: rsa.publicKey }],
  [ED, { algorithm: 'EdDSA', key: ed.publicKey }],
]);

const encode = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const CLAIMS = { sub: A, aud: 'v', exp: NOW_S + 3600 };

function jwt(header: unknown, claims: unknown, key: KeyObject, algorithm: 'sha256' | null = 'sha256'): string {
  const signed = `${encode(header)}.${encode(claims)}`;
  return `${signed}.${sign(algorithm, Buffer.from(signed), key).toString('base64url')}`;
}

/** Access to A and B by these rules, at a time that stands still until it is moved. */
function station(rules: Partial<PlaybackRules>) {
  const state = { rules: { ...OPEN, ...rules }, nowS: NOW_S, reads: 0, away: false };
  const access = new PlaybackAccess({
    source: {
      playbackTokenKeys: [randomBytes(32)],
      playbackRules: async (id) => {
        state.reads++;
        if (state.away) throw new Error('away');
        return id === A || id === B ? state.rules : null;
      },
    },
    freshMs: Number.POSITIVE_INFINITY,
    log: createLogger('silent'),
    wallClock: () => state.nowS * 1000,
  });
  return { access, state };
}

test('S23 S24 signed playback: RS256 and EdDSA tokens by a key of the environment admit, 33 forged ones do not', async () => {
  const { access, state } = station({ signed: true, keys });
  const check = (token: string | null, id = A) => Promise.resolve(access.check(id, { ...NOBODY, token }));
  const good = jwt({ alg: 'RS256', typ: 'JWT', kid: KID }, CLAIMS, rsa.privateKey);
  assert.equal(await check(good), 'admitted');
  assert.equal(await check(jwt({ alg: 'EdDSA', kid: ED }, CLAIMS, ed.privateKey, null)), 'admitted');
  // Mux's own libraries put the key's id into the claims as well.
  assert.equal(await check(jwt({ alg: 'RS256' }, { ...CLAIMS, kid: KID }, rsa.privateKey)), 'admitted');
  assert.equal(await check(null), 'token_required');

  const [head, body, signature] = good.split('.') as [string, string, string];
  const pem = rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString();
  const hmac = (secret: string | Buffer) => {
    const signed = `${encode({ alg: 'HS256', kid: KID })}.${body}`;
    return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
  };
  const header = { alg: 'RS256', kid: KID };
  const by = (claims: object | string, head: object | string = header) => jwt(head, claims, rsa.privateKey);
  const forged: Record<string, string> = {
    'alg none': `${encode({ alg: 'none', kid: KID })}.${body}.`,
    'alg none with the old signature': `${encode({ alg: 'none', kid: KID })}.${body}.${signature}`,
    'alg NONE': `${encode({ alg: 'NONE', kid: KID })}.${body}.x`,
    'HS256 with the public key': hmac(pem),
    'HS256 with the public key as DER': hmac(rsa.publicKey.export({ type: 'spki', format: 'der' })),
    'HS256 with an empty secret': hmac(''),
    'another key': jwt(header, CLAIMS, other.privateKey),
    "another tenant's kid": jwt({ alg: 'RS256', kid: FOREIGN }, CLAIMS, other.privateKey),
    'the kid of a key of another algorithm': jwt({ alg: 'EdDSA', kid: KID }, CLAIMS, ed.privateKey, null),
    'RS256 said of an Ed25519 key': jwt({ alg: 'RS256', kid: ED }, CLAIMS, ed.privateKey, null),
    RS512: jwt({ alg: 'RS512', kid: KID }, CLAIMS, rsa.privateKey),
    'no kid': by(CLAIMS, { alg: 'RS256' }),
    'kid with a path': by(CLAIMS, { alg: 'RS256', kid: '../../etc/passwd' }),
    'kid with SQL': by(CLAIMS, { alg: 'RS256', kid: "' or 1=1 --" }),
    'kid __proto__': by(CLAIMS, { alg: 'RS256', kid: '__proto__' }),
    'kid an object': by(CLAIMS, { alg: 'RS256', kid: { id: KID } }),
    'an extension that must be understood': by(CLAIMS, { ...header, crit: ['exp'] }),
    'the key in the header': jwt(
      { alg: 'RS256', kid: FOREIGN, jwk: other.publicKey.export({ format: 'jwk' }) },
      CLAIMS,
      other.privateKey,
    ),
    'aud of thumbnails': by({ ...CLAIMS, aud: 't' }),
    'no aud': by({ sub: A, exp: CLAIMS.exp }),
    'aud a list': by({ ...CLAIMS, aud: ['v', 't'] }),
    'sub of another live stream': by({ ...CLAIMS, sub: B }),
    'no sub': by({ aud: 'v', exp: CLAIMS.exp }),
    'sub as a prefix': by({ ...CLAIMS, sub: A.slice(0, 20) }),
    'nbf in the future': by({ ...CLAIMS, nbf: NOW_S + 60 }),
    'no exp': by({ sub: A, aud: 'v' }),
    'exp a text': by({ ...CLAIMS, exp: String(CLAIMS.exp) }),
    'exp in more than seven days': by({ ...CLAIMS, exp: NOW_S + 8 * 86_400 }),
    'a claim twice': by(`{"sub":"${B}","aud":"v","exp":${CLAIMS.exp},"sub":"${A}"}`),
    'a claim twice, once with an escape': by(`{"s\\u0075b":"${B}","aud":"v","exp":${CLAIMS.exp},"sub":"${A}"}`),
    huge: by({ ...CLAIMS, more: 'x'.repeat(5000) }),
    'changed claims': `${head}.${encode({ ...CLAIMS, exp: CLAIMS.exp + 1 })}.${signature}`,
    'four parts': `${good}.x`,
  };
  for (const [name, token] of Object.entries(forged)) assert.equal(await check(token), 'token_invalid', name);
  assert.equal(Object.keys(forged).length, 33);
  assert.equal(await check(by({ ...CLAIMS, exp: NOW_S - 1 })), 'token_expired');
  assert.equal(await check(good, B), 'token_invalid');

  // What was right before is looked at again: it expires, and goes with its key.
  state.nowS = NOW_S + 3600;
  assert.equal(await check(good), 'token_expired');
  state.nowS = NOW_S;
  state.rules = { ...state.rules, keys: new Map() };
  access.keysChanged();
  assert.equal(await check(good), 'token_invalid');
  assert.equal(createPublicKey(pem).asymmetricKeyType, 'rsa');
});

test('S25 own tokens: for one live stream, its rules of now and a time; no bit of them may change', async () => {
  const { access, state } = station({ signed: true, keys, password: 'open sesame' });
  const check = (token: string | null, id = A) => Promise.resolve(access.check(id, { ...NOBODY, token }));
  const pass = await access.pass(A, { ...NOBODY, token: jwt({ alg: 'RS256', kid: KID }, CLAIMS, rsa.privateKey) });
  assert.ok(typeof pass === 'object');
  // No longer than the token that it was given for.
  assert.equal(pass.expiresS, CLAIMS.exp);
  assert.match(pass.token, /^[A-Za-z0-9_-]{46}$/);
  assert.equal(await check(pass.token), 'admitted');
  assert.equal(await check(pass.token, B), 'token_invalid');
  const bytes = Buffer.from(pass.token, 'base64url');
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const changed = Buffer.from(bytes);
    changed[bit >> 3]! ^= 1 << (bit & 7);
    assert.equal(await check(changed.toString('base64url')), 'token_invalid', `bit ${bit}`);
  }
  state.nowS = CLAIMS.exp + 1;
  assert.equal(await check(pass.token), 'token_expired');
  state.nowS = NOW_S;
  state.rules = { ...state.rules, keys: new Map() };
  access.keysChanged();
  assert.equal(await check(pass.token), 'token_invalid', 'its key is deleted');

  const issued = (await access.issue(A, 600))!;
  assert.equal(await check(issued.token), 'admitted');
  state.rules = { ...state.rules, password: 'another' };
  access.changed(A);
  assert.equal(await check(issued.token), 'token_invalid', 'the rules are others');
  assert.equal(await access.issue(`lv_${'f'.repeat(32)}`, 600), null);
});

test('S20 S27 passwords are not guessed, and rules fail closed where something is not known', async () => {
  const protectedBy = station({ password: 'open sesame' });
  const enter = (password: string, address = '192.0.2.1') => protectedBy.access.pass(A, NOBODY, password, address);
  assert.equal(await protectedBy.access.check(A, NOBODY), 'password_required');
  assert.equal(await protectedBy.access.pass(A, NOBODY), 'password_required');
  assert.equal(await enter('wrong'), 'password_wrong');
  const pass = await enter('open sesame');
  assert.ok(typeof pass === 'object');
  assert.equal(protectedBy.access.check(A, { ...NOBODY, token: pass.token }), 'admitted');
  for (let i = 0; i < 40; i++) await enter(`guess ${i}`, '198.51.100.7');
  assert.equal(await enter('open sesame', '198.51.100.7'), 'password_wrong', 'held up');
  assert.equal(typeof (await enter('open sesame')), 'object', 'others are not');
  assert.equal(await protectedBy.access.pass(`lv_${'f'.repeat(32)}`, NOBODY, 'x'), 'password_wrong');

  const { access, state } = station({
    byDomain: true,
    domains: ['example.com'],
    countries: ['DE'],
    blockedCountries: ['AT'],
  });
  const check = (site: string | null, country: string | null) =>
    Promise.resolve(access.check(A, { token: null, site, country }));
  for (const site of ['https://example.com', 'https://www.example.com/a?b', 'http://example.com:8080/'])
    assert.equal(await check(site, 'de'), 'admitted', site);
  for (const site of [
    null,
    '',
    'null',
    'https://example.com.evil.test',
    'https://notexample.com',
    'https://evil.test/?example.com',
    'https://example.com@evil.test/',
  ])
    assert.equal(await check(site, 'DE'), 'domain_blocked', String(site));
  for (const country of [null, '', 'XX', 'FR', 'AT'])
    assert.equal(await check('https://example.com', country), 'country_blocked');

  // A database that is away stops nobody who is known, and lets in nobody who is not.
  state.away = true;
  assert.equal(await check('https://example.com', 'DE'), 'admitted');
  assert.equal(await access.check(B, NOBODY), 'unknown');
  // Names that are none restrict all the same.
  const nowhere = station({ byDomain: true, domains: [] });
  assert.equal(await nowhere.access.check(A, { ...NOBODY, site: 'https://example.com' }), 'domain_blocked');
  assert.equal(await nowhere.access.check(`lv_${'f'.repeat(32)}`, NOBODY), 'gone');
});
