// What leaves as RTMP and FLV: a feed is a broadcast's packets as ready bytes, made once for all who take them; pushes send it to
// platforms, players come for it. Called by app, which hands in the broadcasts, the connections of players and the way out.
// A feed lives from its first consumer to its last; nothing is made where nobody asks.
export type { Batch, FeedCursor, FeedForm, FeedOptions, FeedSource, Metadata } from './feed.ts';
export { Feeds, type FeedsOptions } from './feeds.ts';
export { FlvHttp, type FlvOptions } from './flv-http.ts';
export { type RtmpPlayerConnection, RtmpPlayers } from './play-rtmp.ts';
export { Players, type PlayersAudience, type PlayersOptions } from './players.ts';
export type { PushErrorCode } from './push-failure.ts';
export type { PushTimings } from './push-timings.ts';
export { Pushes, type PushesOptions, type PushTotals } from './pushes.ts';
