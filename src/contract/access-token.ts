import { type Static, Type } from 'typebox';
import { listOf } from './answers.ts';
import type { Environment } from './live-stream.ts';
import type { TokenRole } from './roles.ts';

const environment = (description: string) =>
  Type.Unsafe<Environment>(Type.String({ enum: ['production', 'development'], description }));
const role = (description: string) => Type.Unsafe<TokenRole>(Type.String({ enum: ['member', 'admin'], description }));
const fields = {
  _id: Type.String({ description: 'The user name of HTTP Basic.' }),
  name: Type.String(),
  environment: environment('The only environment that the token reaches.'),
  role: role('admin: may also make and revoke access tokens.'),
  created_by: Type.String({ description: 'The user in whose name it acts: who made it, or whose token did.' }),
  created_by_token: Type.Union([Type.String(), Type.Null()], {
    description: 'The access token that made it; null: the user did, signed in.',
  }),
  creation_time: Type.String(),
  last_used_at: Type.Union([Type.String(), Type.Null()], { description: 'To the minute; null: never.' }),
  expires_at: Type.Union([Type.String(), Type.Null()], { description: 'Refused from then on; null: never.' }),
};

/** The body of POST /access_tokens. */
export const AccessTokenCreate = Type.Object(
  {
    name: Type.Optional(Type.String({ maxLength: 255 })),
    environment: Type.Optional(environment('By default the one that the request is made in.')),
    role: Type.Optional(role('By default member.')),
    expires_at: Type.Optional(
      Type.String({ maxLength: 40, description: 'ISO 8601, in the future. By default never.' }),
    ),
  },
  { $id: 'AccessTokenCreate' },
);
export type AccessTokenCreate = Static<typeof AccessTokenCreate>;

/** An access token as the lists show it: never with its secret. */
export const AccessToken = Type.Object(fields, { $id: 'AccessToken' });
export type AccessToken = Static<typeof AccessToken>;

/** The answer to its creation. */
export const NewAccessToken = Type.Object(
  { ...fields, secret: Type.String({ description: 'The password of HTTP Basic. Shown this once.' }) },
  { $id: 'NewAccessToken' },
);
export type NewAccessToken = Static<typeof NewAccessToken>;

export const AccessTokenList = listOf(AccessToken, 'AccessTokenList');
export type AccessTokenList = Static<typeof AccessTokenList>;
