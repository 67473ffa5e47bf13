import { EVENTS, type EventName } from '../../../src/contract/index.ts';

/** An event's group in lists of them: what it is about. */
const groupOf = (name: EventName): string =>
  name.startsWith('stream-platform-')
    ? 'Platforms'
    : name.startsWith('stream-')
      ? 'Live streams'
      : name.startsWith('webhook-')
        ? 'Webhooks'
        : 'Recordings and videos';

export interface ListedEvent {
  readonly name: EventName;
  readonly description: string;
  readonly planned: boolean;
}

/** Every event there is, by what it is about. */
export const EVENT_GROUPS: ReadonlyMap<string, readonly ListedEvent[]> = Map.groupBy(
  Object.entries(EVENTS).map(([name, event]) => ({
    name: name as EventName,
    description: event.description.replaceAll('`', ''),
    planned: 'planned' in event,
  })),
  ({ name }) => groupOf(name),
);

/** For a select: those that fire, in their groups, after one that stands for all. */
export const eventChoices = (all: string) => [
  { value: '', label: all },
  ...[...EVENT_GROUPS].flatMap(([group, events]) => {
    const items = events.filter(({ planned }) => !planned).map(({ name }) => ({ value: name, label: name }));
    return items.length > 0 ? [{ group, items }] : [];
  }),
];
