import { ActionIcon, Button, Chip, Group, Paper, Stack, TextInput } from '@mantine/core';
import type { ReactNode } from 'react';
import type { PullingMode } from '../../../src/contract/index.ts';
import { Icon } from '../parts/icons.tsx';

export type PullWindow = NonNullable<PullingMode['schedule']>[number];

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const EVERY_DAY = [1, 2, 3, 4, 5, 6, 0];

/** The times of a pull: each again and again, or once. */
export function PullSchedule(props: {
  readonly schedule: readonly PullWindow[];
  readonly change: (schedule: readonly PullWindow[]) => void;
}): ReactNode {
  const { schedule, change } = props;
  const replace = (at: number, window: PullWindow | null) =>
    change(schedule.flatMap((one, i) => (i !== at ? [one] : window ? [window] : [])));
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return (
    <Stack gap="sm">
      {schedule.map((window, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a window has no name but its place
        <Paper key={i} p="sm">
          <Group gap="sm" align="flex-end">
            <Window window={window} change={(next) => replace(i, next)} />
            <ActionIcon
              variant="subtle"
              color="gray"
              c="dimmed"
              size="lg"
              aria-label={`Remove time ${i + 1}`}
              onClick={() => replace(i, null)}
            >
              <Icon name="trash" size={17} />
            </ActionIcon>
          </Group>
        </Paper>
      ))}
      <Group gap="xs">
        <Button
          variant="default"
          size="xs"
          onClick={() => change([...schedule, { from: '09:00', to: '17:00', time_zone: zone }])}
        >
          Add a weekly time
        </Button>
        <Button
          variant="default"
          size="xs"
          onClick={() => {
            const start = new Date(Math.ceil(Date.now() / 3_600_000) * 3_600_000);
            const end = new Date(start.getTime() + 3_600_000);
            change([...schedule, { start: start.toISOString(), end: end.toISOString() }]);
          }}
        >
          Add a time once
        </Button>
      </Group>
    </Stack>
  );
}

function Window(props: { readonly window: PullWindow; readonly change: (window: PullWindow) => void }): ReactNode {
  const { window, change } = props;
  if (window.start !== undefined || window.end !== undefined)
    return (
      <>
        {(['start', 'end'] as const).map((edge) => (
          <TextInput
            key={edge}
            type="datetime-local"
            label={edge === 'start' ? 'From' : 'To'}
            value={toLocal(window[edge])}
            onChange={({ currentTarget: { value } }) => change({ ...window, [edge]: toIso(value) })}
          />
        ))}
      </>
    );
  return (
    <>
      <Chip.Group
        multiple
        value={(window.days ?? EVERY_DAY).map(String)}
        onChange={(days) => {
          const { days: _, ...rest } = window;
          change(days.length === 7 ? rest : { ...rest, days: days.map(Number).sort() });
        }}
      >
        <Group gap={4} role="group" aria-label="Days">
          {EVERY_DAY.map((day) => (
            <Chip key={day} size="xs" value={String(day)}>
              {DAYS[day]}
            </Chip>
          ))}
        </Group>
      </Chip.Group>
      {(['from', 'to'] as const).map((edge) => (
        <TextInput
          key={edge}
          type="time"
          label={edge === 'from' ? 'From' : 'To'}
          value={window[edge] ?? ''}
          onChange={({ currentTarget: { value } }) => change({ ...window, [edge]: value })}
        />
      ))}
      <TextInput
        label="Time zone"
        w={160}
        value={window.time_zone ?? 'UTC'}
        onChange={({ currentTarget: { value } }) => change({ ...window, time_zone: value })}
      />
    </>
  );
}

/** What such a field takes: local time without a zone. */
function toLocal(iso: string | undefined): string {
  const time = new Date(iso ?? '');
  if (Number.isNaN(time.getTime())) return '';
  return new Date(time.getTime() - time.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

const toIso = (local: string): string => {
  const time = new Date(local);
  return Number.isNaN(time.getTime()) ? '' : time.toISOString();
};
