// The words of the HTTP API: schemas of resources, bodies and errors, from which the types, the validation and the answers'
// filters derive. Called by `api` (routes), `client` (types), `store` and `config` (types, validation). Calls nothing and
// keeps nothing.
export {
  AccessToken,
  AccessTokenCreate,
  AccessTokenList,
  NewAccessToken,
} from './access-token.ts';
export { ErrorAnswer, listOf, Success } from './answers.ts';
export {
  EVENT_NAMES,
  EVENTS,
  Event,
  EventList,
  type EventLiveStream,
  type EventName,
  EventNameSchema,
  EventQuery,
} from './events.ts';
export { exampleOf } from './example-of.ts';
export { LiveState, StreamHealth, UpdatesQuery } from './health.ts';
export {
  type Environment,
  KeyRotation,
  LiveStream,
  LiveStreamChange,
  LiveStreamList,
  LiveStreamQuery,
  mergeSettings,
  PageQuery,
  PullingStatus,
  Settings,
  SettingsChange,
  SubSecondStream,
  SubSecondStreamChange,
  SubSecondStreamList,
} from './live-stream.ts';
export { hideEnd, isMasked, maskSecret, maskServer, maskUrl } from './mask.ts';
export {
  ChangedMember,
  Invitation,
  InvitationAccept,
  InvitationCreate,
  InvitationList,
  Member,
  MemberChange,
  MemberList,
  NewInvitation,
  Organization,
  OrganizationChange,
  OrganizationList,
  PasswordResetLink,
  RemovedMember,
} from './organization.ts';
export {
  Platform,
  PlatformChange,
  PlatformCreate,
  PlatformStatus,
  PlatformTemplate,
  PlatformTemplateList,
} from './platform.ts';
export { COMMON_CODECS, type Codec, PLATFORM_TEMPLATES, templateOf } from './platform-templates.ts';
export { PullTest, PullTestResult } from './pull-test.ts';
export {
  checkPullingMode,
  maskPullingMode,
  PullingMode,
  type PullingModeChange,
  type PullWindow,
  pullUrls,
  unmaskPullingMode,
} from './pulling-mode.ts';
export { type Reading, readAs } from './read.ts';
export { ExportData, Recording, Recordings, TemporaryRecording, TemporaryRecordings } from './recording.ts';
export { ROLES, type Role, roleCovers, type TokenRole } from './roles.ts';
export { ServerStatus } from './server-status.ts';
export {
  NewSigningKey,
  PlaybackToken,
  PlaybackTokenCreate,
  SigningKey,
  SigningKeyCreate,
  SigningKeyList,
} from './signing-key.ts';
export { Stats } from './stats.ts';
export { Beacon, Usage, UsageQuery, UsageSum } from './usage.ts';
export {
  CurrentSession,
  PasswordReset,
  PasswordResetRequest,
  Session,
  SessionList,
  Setup,
  SetupState,
  SignIn,
  User,
  UserChange,
} from './user.ts';
export { Video, VideoFolder, VideoFolderList, VideoList } from './video.ts';
export {
  Broadcast,
  BroadcastList,
  Delivery,
  DeliveryDetails,
  DeliveryList,
  DeliveryQuery,
  NewWebhookEndpoint,
  Resend,
  Resent,
  SecretRotation,
  WebhookEndpoint,
  WebhookEndpointChange,
  WebhookEndpointCreate,
  WebhookEndpointList,
  WebhookTest,
} from './webhook.ts';
