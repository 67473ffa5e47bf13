import { type Static, Type } from 'typebox';
import { listOf } from './answers.ts';

const algorithm = (description: string) =>
  Type.Unsafe<'RS256' | 'EdDSA'>(Type.String({ enum: ['RS256', 'EdDSA'], description }));
const fields = {
  _id: Type.String({ description: 'What viewing tokens name as `kid`.' }),
  name: Type.String(),
  algorithm: algorithm('What viewing tokens name as `alg`.'),
  public_key: Type.String({ description: 'PEM.', examples: ['-----BEGIN PUBLIC KEY-----\n…'] }),
  creation_time: Type.String(),
};

/** The body of POST /signing_keys. */
export const SigningKeyCreate = Type.Object(
  {
    name: Type.Optional(Type.String({ maxLength: 255 })),
    algorithm: Type.Optional(algorithm('By default RS256.')),
    public_key: Type.Optional(
      Type.String({
        maxLength: 10_000,
        description:
          'PEM: the public half of a key pair of your own. By default one is made, and its private half answered once.',
      }),
    ),
  },
  { $id: 'SigningKeyCreate' },
);
export type SigningKeyCreate = Static<typeof SigningKeyCreate>;

/** A public key with which viewing tokens are verified. */
export const SigningKey = Type.Object(fields, { $id: 'SigningKey' });
export type SigningKey = Static<typeof SigningKey>;

/** The answer to its creation. */
export const NewSigningKey = Type.Object(
  {
    ...fields,
    private_key: Type.Union([Type.String(), Type.Null()], {
      description: 'PEM (PKCS #8) in base64. Shown this once; null when public_key was given.',
    }),
  },
  { $id: 'NewSigningKey' },
);
export type NewSigningKey = Static<typeof NewSigningKey>;

export const SigningKeyList = listOf(SigningKey, 'SigningKeyList');
export type SigningKeyList = Static<typeof SigningKeyList>;

/** The body of POST /live_streams/{id}/playback_tokens. */
export const PlaybackTokenCreate = Type.Object(
  {
    expires_in_s: Type.Optional(
      Type.Integer({ minimum: 60, maximum: 604_800, default: 3600, description: 'Seconds until it expires.' }),
    ),
  },
  { $id: 'PlaybackTokenCreate' },
);

/** A token of this server with which somebody may watch one live stream. */
export const PlaybackToken = Type.Object(
  {
    token: Type.String({ description: 'The `token` of playback URLs.' }),
    expires_at: Type.String({ format: 'date-time' }),
    hls_url: Type.String(),
    embed_url: Type.String(),
    embed_audio_url: Type.String(),
  },
  { $id: 'PlaybackToken' },
);
export type PlaybackToken = Static<typeof PlaybackToken>;
