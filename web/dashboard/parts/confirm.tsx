import { Button, Group, Modal, Stack, Text, TextInput } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { Problem } from './problem.tsx';

/**
 * Asks before something that hurts is done, and stays until it is done. `typed`: what has to be typed first.
 * Closed while `opened` is false; `act` may refuse, which is shown.
 */
export function Confirm(props: {
  readonly opened: boolean;
  readonly title: string;
  readonly text: ReactNode;
  readonly button: string;
  readonly harmless?: boolean;
  readonly typed?: string;
  readonly close: () => void;
  readonly act: () => Promise<unknown>;
}): ReactNode {
  const [typed, setTyped] = useState('');
  const close = () => {
    setTyped('');
    doing.reset();
    props.close();
  };
  const doing = useMutation({ mutationFn: props.act, onSuccess: close });
  const ready = props.typed === undefined || typed === props.typed;
  return (
    <Modal opened={props.opened} onClose={close} title={props.title} closeButtonProps={{ 'aria-label': 'Close' }}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (ready) doing.mutate();
        }}
      >
        <Stack gap="md">
          <Text size="sm" component="div">
            {props.text}
          </Text>
          {props.typed !== undefined && (
            <TextInput
              label={
                <>
                  Type <b className="wrap">{props.typed}</b> to confirm
                </>
              }
              value={typed}
              autoComplete="off"
              data-autofocus
              onChange={(event) => setTyped(event.currentTarget.value)}
            />
          )}
          {doing.error && <Problem error={doing.error} />}
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={close} data-autofocus={props.typed === undefined || undefined}>
              Cancel
            </Button>
            <Button
              type="submit"
              className={props.harmless ? undefined : 'danger'}
              disabled={!ready}
              loading={doing.isPending}
            >
              {props.button}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
