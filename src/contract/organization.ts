import { type Static, Type } from 'typebox';
import { listOf } from './answers.ts';
import { RoleName } from './roles.ts';

export const Organization = Type.Object(
  {
    _id: Type.String(),
    name: Type.String(),
    role: Type.Unsafe<Static<typeof RoleName>>({ ...RoleName, description: 'What who asks may do in it.' }),
    creation_time: Type.String(),
  },
  { $id: 'Organization' },
);
export type Organization = Static<typeof Organization>;
export const OrganizationList = listOf(Organization, 'OrganizationList');
export type OrganizationList = Static<typeof OrganizationList>;

/** The body of POST /organizations and PATCH /organizations/{id}. */
export const OrganizationChange = Type.Object(
  { name: Type.String({ minLength: 1, maxLength: 255 }) },
  { $id: 'OrganizationChange' },
);

const member = {
  _id: Type.String({ description: "The user's." }),
  email: Type.Union([Type.String(), Type.Null()]),
  name: Type.String(),
  role: RoleName,
  creation_time: Type.String({ description: 'When the user joined.' }),
};
const revoked_tokens = Type.Integer({
  description: 'How many access tokens went with it: those made by the member that may do more than the member now.',
});
export const Member = Type.Object(member, { $id: 'Member' });
export type Member = Static<typeof Member>;
export const MemberList = listOf(Member, 'MemberList');
export type MemberList = Static<typeof MemberList>;

/** The answers to PATCH and DELETE /members/{id}. */
export const ChangedMember = Type.Object({ ...member, revoked_tokens }, { $id: 'ChangedMember' });
export const RemovedMember = Type.Object({ success: Type.Boolean(), revoked_tokens }, { $id: 'RemovedMember' });

/** The body of PATCH /members/{id}. */
export const MemberChange = Type.Object({ role: RoleName }, { $id: 'MemberChange' });

/** The body of POST /invitations. */
export const InvitationCreate = Type.Object(
  { email: Type.String({ maxLength: 254 }), role: Type.Optional(RoleName) },
  { $id: 'InvitationCreate' },
);

const invitation = {
  _id: Type.String(),
  email: Type.String(),
  role: RoleName,
  invited_by: Type.String(),
  creation_time: Type.String(),
  expires_at: Type.String(),
};
export const Invitation = Type.Object(invitation, { $id: 'Invitation' });
export type Invitation = Static<typeof Invitation>;
export const InvitationList = listOf(Invitation, 'InvitationList');
export type InvitationList = Static<typeof InvitationList>;

/** The answer to its creation. */
export const NewInvitation = Type.Object(
  {
    ...invitation,
    url: Type.Optional(
      Type.String({
        description: 'For whom the e-mail address belongs to. Shown this once, and not at all where it is mailed.',
      }),
    ),
    mailed: Type.Boolean({ description: 'Whether the link was handed to the mail server.' }),
  },
  { $id: 'NewInvitation' },
);
export type NewInvitation = Static<typeof NewInvitation>;

/** The body of POST /invitations/accept. Name and password for a new user; else who is signed in accepts. */
export const InvitationAccept = Type.Object(
  {
    token: Type.String({ maxLength: 256 }),
    name: Type.Optional(Type.String({ maxLength: 255 })),
    password: Type.Optional(Type.String({ minLength: 10, maxLength: 256 })),
  },
  { $id: 'InvitationAccept' },
);

/** A link with which a member chooses a new password. */
export const PasswordResetLink = Type.Object(
  { url: Type.String(), expires_at: Type.String() },
  { $id: 'PasswordResetLink' },
);
