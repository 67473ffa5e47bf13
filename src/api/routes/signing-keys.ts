import { createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { CodedError, isoTime } from '../../base/index.ts';
import {
  NewSigningKey,
  PageQuery,
  SigningKey,
  SigningKeyCreate,
  SigningKeyList,
  Success,
} from '../../contract/index.ts';
import type { SigningKeyRow, Store } from '../../store/index.ts';
import { allowOnly } from '../errors.ts';
import { objectIdOf } from '../idempotency.ts';
import { listAnswer, pageOf } from '../paging.ts';
import { audit } from '../people.ts';
import { IdParams } from '../resource.ts';

export interface SigningKeyPort {
  /** Signing keys were made or deleted in the store: viewers are judged by them from now on. */
  signingKeysChanged(): void;
}

export interface SigningKeyRoutesOptions {
  readonly store: Pick<Store, 'signingKeys'>;
  readonly live: SigningKeyPort;
}

const config = { role: 'admin' } as const;
const RSA_BITS = 2048;
const make = promisify(generateKeyPair);
const notFound = () =>
  new CodedError('not_found', 'Signing key not found. GET /signing_keys lists those of the environment.');

/** /signing_keys: the keys with which the customer's own software signs viewing tokens. */
export const signingKeyRoutes: FastifyPluginAsyncTypebox<SigningKeyRoutesOptions> = async (app, { store, live }) => {
  const { signingKeys } = store;

  app.post(
    '/signing_keys',
    {
      config,
      schema: {
        operationId: 'createSigningKey',
        summary: 'Make a key for viewing tokens; its private half is in this answer only',
        body: SigningKeyCreate,
        response: { 200: NewSigningKey },
      },
    },
    async (request) => {
      const { algorithm = 'RS256', name = '', public_key } = request.body;
      const { publicKey, privateKey } =
        public_key === undefined
          ? await makePair(algorithm)
          : { publicKey: readKey(public_key, algorithm), privateKey: null };
      const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
      const row = await signingKeys.create(request.principal, { name, algorithm, publicKey: pem }, objectIdOf(request));
      live.signingKeysChanged();
      audit(request, 'signing key made', { key: row.id, algorithm, by: request.principal.tokenId });
      const private_key =
        privateKey && Buffer.from(privateKey.export({ type: 'pkcs8', format: 'pem' })).toString('base64');
      return { ...toSigningKey(row), private_key };
    },
  );

  app.get(
    '/signing_keys',
    {
      config,
      schema: {
        operationId: 'listSigningKeys',
        summary: 'List the keys for viewing tokens, newest first',
        querystring: PageQuery,
        response: { 200: SigningKeyList },
      },
    },
    async (request) => {
      const page = pageOf(request.query);
      const { rows, total } = await signingKeys.list(request.principal, page);
      return listAnswer(rows.map(toSigningKey), total, page);
    },
  );

  app.get(
    '/signing_keys/:id',
    {
      config,
      schema: {
        operationId: 'getSigningKey',
        summary: 'Read a key for viewing tokens',
        params: IdParams,
        response: { 200: SigningKey },
      },
    },
    async (request) => {
      const row = await signingKeys.get(request.principal, request.params.id);
      if (!row) throw notFound();
      return toSigningKey(row);
    },
  );

  app.delete(
    '/signing_keys/:id',
    {
      config,
      schema: {
        operationId: 'deleteSigningKey',
        summary: 'Delete a key: what it has signed admits nobody from now on',
        params: IdParams,
        response: { 200: Success },
      },
    },
    async (request) => {
      if (!(await signingKeys.delete(request.principal, request.params.id))) throw notFound();
      live.signingKeysChanged();
      audit(request, 'signing key deleted', { key: request.params.id });
      return { success: true };
    },
  );

  allowOnly(app, '/signing_keys', ['GET', 'POST']);
  allowOnly(app, '/signing_keys/:id', ['GET', 'DELETE']);
};

/** In a thread of its own: an RSA key takes a tenth of a second and more. */
const makePair = (algorithm: 'RS256' | 'EdDSA'): Promise<{ publicKey: KeyObject; privateKey: KeyObject }> =>
  algorithm === 'RS256' ? make('rsa', { modulusLength: RSA_BITS }) : make('ed25519', {});

/** @throws CodedError bad_request for what is no such key */
function readKey(pem: string, algorithm: 'RS256' | 'EdDSA'): KeyObject {
  const type = algorithm === 'RS256' ? 'rsa' : 'ed25519';
  try {
    // A private key would be taken as well, and its public half made of it.
    const key = pem.includes('PRIVATE') ? null : createPublicKey(pem);
    const bits = key?.asymmetricKeyDetails?.modulusLength ?? RSA_BITS;
    if (key?.asymmetricKeyType === type && bits >= RSA_BITS && bits <= 8192) return key;
  } catch {
    // Said below.
  }
  const wanted = algorithm === 'RS256' ? `an RSA key of ${RSA_BITS} to 8192 bits` : 'an Ed25519 key';
  throw new CodedError(
    'bad_request',
    `public_key must be the public half of ${wanted}, in PEM: -----BEGIN PUBLIC KEY-----.`,
  );
}

const toSigningKey = (row: SigningKeyRow): SigningKey => ({
  _id: row.id,
  name: row.name,
  algorithm: row.algorithm,
  public_key: row.publicKey,
  creation_time: isoTime(row.createdMs),
});
