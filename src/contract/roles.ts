import { Type } from 'typebox';

/** What a member of an organization may do: each role all that those after it may. */
export const ROLES = ['owner', 'admin', 'member'] as const;
export type Role = (typeof ROLES)[number];

/** What an access token may do. No token is an owner: people's roles are changed by people. */
export type TokenRole = Exclude<Role, 'owner'>;

/** Whether `role` may do what `needed` may. */
export const roleCovers = (role: Role, needed: Role): boolean => ROLES.indexOf(role) <= ROLES.indexOf(needed);

export const RoleName = Type.Unsafe<Role>(Type.String({ enum: [...ROLES] }));
