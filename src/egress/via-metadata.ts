import { type Broadcast, VIA_NAME } from '../live/index.ts';
import type { Metadata } from './feed.ts';

/** Says in onMetaData which live streams the media has come through, so that whoever takes it in again finds a loop. */
export function viaMetadata({ via, authorisation }: Broadcast): Metadata {
  return { [VIA_NAME]: [...via, authorisation.liveStreamId].join(',') };
}
