import { Button, Group, Modal, Stack } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { Problem } from './problem.tsx';

/** A form in a dialog. `send` may refuse, which is shown; else the dialog closes. */
export function FormDialog(props: {
  readonly title: string;
  readonly button: string;
  readonly close: () => void;
  readonly send: () => Promise<unknown>;
  readonly children: ReactNode;
}): ReactNode {
  const sending = useMutation({ mutationFn: props.send, onSuccess: props.close });
  return (
    <Modal opened onClose={props.close} title={props.title} size="lg" closeButtonProps={{ 'aria-label': 'Close' }}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          sending.mutate();
        }}
      >
        <Stack gap="md">
          {props.children}
          {sending.error && <Problem error={sending.error} />}
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={props.close}>
              Cancel
            </Button>
            <Button type="submit" loading={sending.isPending}>
              {props.button}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

/** What is shown this once: it closes by its button only, so that no slip of the hand loses a secret. */
export const OnceDialog = (props: {
  readonly title: string;
  readonly close: () => void;
  readonly children: ReactNode;
}): ReactNode => (
  <Modal
    opened
    onClose={props.close}
    title={props.title}
    size="lg"
    withCloseButton={false}
    closeOnClickOutside={false}
    closeOnEscape={false}
  >
    <Stack gap="md">
      {props.children}
      <Group justify="flex-end">
        <Button onClick={props.close}>I have kept it</Button>
      </Group>
    </Stack>
  </Modal>
);
