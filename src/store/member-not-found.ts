import { CodedError } from '../base/index.ts';

/** For who is no member of the organization, and for whom nobody knows. */
export const memberNotFound = (): CodedError =>
  new CodedError('not_found', 'Member not found. GET /members lists those of the organization.');
