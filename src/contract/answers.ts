import { type Static, type TSchema, Type } from 'typebox';

/** The body of every answer that is not a 2xx. `message` says what was wrong and what to do about it. */
export const ErrorAnswer = Type.Object(
  { statusCode: Type.Integer(), error: Type.String(), message: Type.String() },
  { $id: 'Error', description: 'Every answer that is not a 2xx.' },
);
export type ErrorAnswer = Static<typeof ErrorAnswer>;

/** What a DELETE answers: 200 with a body, because clients read `success`. */
export const Success = Type.Object({ success: Type.Boolean() }, { $id: 'Success' });
export type Success = Static<typeof Success>;

/** The shape of every list that is paged. */
export const listOf = <T extends TSchema>(item: T, id: string) =>
  Type.Object(
    {
      docs: Type.Array(item),
      total: Type.Integer(),
      limit: Type.Integer(),
      page: Type.Integer(),
      pages: Type.Integer({ description: 'At least 1, for an empty list too: clients loop until page = pages.' }),
    },
    { $id: id },
  );
