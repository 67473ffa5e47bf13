/** The name in onMetaData under which our pushes say which live streams the media has passed through: ids, separated by commas. */
export const VIA_NAME = 'liveapi_via';

/** More hops than anybody has a use for. */
const MAX_HOPS = 3;
const ID = /^[0-9a-f]{24}$/;

/** The live streams that a publisher's metadata names, oldest first; none where it names none. The value is a stranger's. */
export function readVia(value: unknown): readonly string[] {
  if (typeof value !== 'string') return [];
  return value
    .split(',', MAX_HOPS + 1)
    .map((id) => id.trim())
    .filter((id) => ID.test(id));
}

/** Whether media that came this way would go in a circle: it has been here before, or has gone further than makes sense. */
export function goesInCircles(via: readonly string[], liveStreamId: string): boolean {
  return via.includes(liveStreamId) || via.length > MAX_HOPS;
}
