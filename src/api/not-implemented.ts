import { CodedError } from '../base/index.ts';

/** For a part of the contract whose feature is not here: `feature` is what there is none of, `instead` what is possible. */
export const notImplemented = (feature: string, instead: string): CodedError =>
  new CodedError('not_implemented', `This server has no ${feature} yet. ${instead}`);
