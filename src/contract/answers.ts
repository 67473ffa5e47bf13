import { type Static, Type } from 'typebox';

/** The body of every answer that is not a 2xx. `message` says what was wrong and what to do about it. */
export const ErrorAnswer = Type.Object(
  { statusCode: Type.Integer(), error: Type.String(), message: Type.String() },
  { $id: 'Error', description: 'Every answer that is not a 2xx.' },
);
export type ErrorAnswer = Static<typeof ErrorAnswer>;

/** What a DELETE answers: 200 with a body, because clients read `success`. */
export const Success = Type.Object({ success: Type.Boolean() }, { $id: 'Success' });
export type Success = Static<typeof Success>;
