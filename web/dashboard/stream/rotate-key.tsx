import { ActionIcon, Button, Radio, Stack, Text, Tooltip } from '@mantine/core';
import { type ReactNode, useState } from 'react';
import { api } from '../api.ts';
import { Confirm } from '../parts/confirm.tsx';
import { Icon } from '../parts/icons.tsx';
import { type TabProps, useChange } from './change.ts';

/** Gives a live stream a new key. `first`: it has no backup key yet, so none is lost. */
export function RotateKey(
  props: TabProps & { readonly which: 'primary' | 'backup'; readonly first?: boolean },
): ReactNode {
  const { stream, which, first } = props;
  const [asking, setAsking] = useState(false);
  const [overlap, setOverlap] = useState('3600');
  const rotating = useChange(
    stream._id,
    () =>
      api.post(`live_streams/${stream._id}/rotate_key`, {
        which,
        overlap_s: which === 'primary' ? Number(overlap) : 0,
      }),
    'There is a new key.',
  );
  const label = which === 'primary' ? 'New stream key' : first ? 'Make a backup key' : 'New backup key';
  return (
    <>
      {first ? (
        <Button variant="default" size="xs" style={{ alignSelf: 'flex-start' }} onClick={() => rotating.mutate()}>
          {label}
        </Button>
      ) : (
        <Tooltip label={label}>
          <ActionIcon
            variant="subtle"
            color="gray"
            c="dimmed"
            size="lg"
            aria-label={label}
            onClick={() => setAsking(true)}
          >
            <Icon name="rotate" />
          </ActionIcon>
        </Tooltip>
      )}
      <Confirm
        opened={asking}
        title={`${label}?`}
        button="Make a new key"
        close={() => setAsking(false)}
        act={() => rotating.mutateAsync()}
        text={
          which === 'primary' ? (
            <Stack gap="sm">
              <Text size="sm">The key that you have now stops working. Set the new one in every encoder.</Text>
              <Radio.Group value={overlap} onChange={setOverlap} label="The old key">
                <Stack gap="xs" mt="xs">
                  <Radio value="3600" label="works for another hour" />
                  <Radio value="86400" label="works for another day" />
                  <Radio value="0" label="dies at once; an encoder on air is cut" />
                </Stack>
              </Radio.Group>
            </Stack>
          ) : (
            'The backup key that you have now dies at once. Set the new one in the second encoder.'
          )
        }
      />
    </>
  );
}
