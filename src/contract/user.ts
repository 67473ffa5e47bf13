import { type Static, Type } from 'typebox';
import { listOf } from './answers.ts';
import { Organization } from './organization.ts';

export const Email = Type.String({ maxLength: 254, description: 'Kept in small letters.' });
export const NewPassword = Type.String({ minLength: 10, maxLength: 256 });
export const PersonName = Type.String({ maxLength: 255 });
/** A password or a token to be checked: of any form, so that a wrong one is answered as such. */
const given = Type.String({ maxLength: 256 });

export const User = Type.Object(
  {
    _id: Type.String(),
    email: Type.Union([Type.String(), Type.Null()], {
      description: 'null: the first owner, until the set-up.',
    }),
    name: Type.String(),
    creation_time: Type.String(),
  },
  { $id: 'User' },
);
export type User = Static<typeof User>;

/** The body of PATCH /users/me. A new e-mail or password needs the current password, and ends all other sessions. */
export const UserChange = Type.Object(
  {
    name: Type.Optional(PersonName),
    email: Type.Optional(Email),
    password: Type.Optional(NewPassword),
    current_password: Type.Optional(given),
  },
  { $id: 'UserChange' },
);
export type UserChange = Static<typeof UserChange>;

/** The body of POST /sessions. */
export const SignIn = Type.Object({ email: Email, password: given }, { $id: 'SignIn' });
export type SignIn = Static<typeof SignIn>;

/** The signed-in person's session: the answer to signing in, and of GET /sessions/current. */
export const CurrentSession = Type.Object(
  {
    csrf_token: Type.String({ description: 'Goes as x-csrf-token with every request of this session that is no GET.' }),
    user: User,
    organizations: Type.Array(Organization),
  },
  { $id: 'CurrentSession' },
);
export type CurrentSession = Static<typeof CurrentSession>;

export const Session = Type.Object(
  {
    _id: Type.String(),
    current: Type.Boolean({ description: 'Whether it is the one that asks.' }),
    user_agent: Type.String(),
    address: Type.String(),
    creation_time: Type.String(),
    last_used_at: Type.String({ description: 'To the minute.' }),
  },
  { $id: 'Session' },
);
export const SessionList = listOf(Session, 'SessionList');
export type SessionList = Static<typeof SessionList>;

/** The body of POST /password_resets. */
export const PasswordResetRequest = Type.Object({ email: Email }, { $id: 'PasswordResetRequest' });

/** The body of POST /password_resets/accept. */
export const PasswordReset = Type.Object({ token: given, password: NewPassword }, { $id: 'PasswordReset' });

/** The body of POST /setup. */
export const Setup = Type.Object(
  {
    setup_token: given,
    email: Email,
    password: NewPassword,
    name: Type.Optional(PersonName),
  },
  { $id: 'Setup' },
);
export type Setup = Static<typeof Setup>;

export const SetupState = Type.Object(
  { needed: Type.Boolean({ description: 'Nobody can sign in yet: open the link that the server printed.' }) },
  { $id: 'SetupState' },
);
