import { ActionIcon, Group, Stack, Text } from '@mantine/core';
import { type ReactNode, useState } from 'react';
import { CopyIcon } from './copy.tsx';
import { Icon } from './icons.tsx';

/** A value to be taken elsewhere: with its name, to copy; a secret one is hidden until somebody asks to see it. */
export function CodeLine(props: {
  readonly label: string;
  readonly value: string;
  readonly secret?: boolean;
  readonly hint?: ReactNode;
  readonly actions?: ReactNode;
}): ReactNode {
  const [shown, setShown] = useState(!props.secret);
  return (
    <Stack gap={4}>
      <Text size="sm" fw={600}>
        {props.label}
      </Text>
      <Group className="code-line" gap={2} wrap="nowrap">
        <code className="grow">{shown ? props.value : '•'.repeat(24)}</code>
        {props.secret && (
          <ActionIcon
            variant="subtle"
            color="gray"
            c="dimmed"
            size="lg"
            aria-label={`${shown ? 'Hide' : 'Show'} ${props.label.toLowerCase()}`}
            aria-pressed={shown}
            onClick={() => setShown(!shown)}
          >
            <Icon name={shown ? 'eyeOff' : 'eye'} />
          </ActionIcon>
        )}
        <CopyIcon text={props.value} what={props.label.toLowerCase()} />
        {props.actions}
      </Group>
      {props.hint && (
        <Text size="xs" c="dimmed">
          {props.hint}
        </Text>
      )}
    </Stack>
  );
}

/** Lines of code to be taken elsewhere. Secrets in it show as dots until asked for, and are copied whole. */
export function CodeBlock(props: {
  readonly label: string;
  readonly text: string;
  readonly secret?: string;
}): ReactNode {
  const { label, text, secret } = props;
  const [shown, setShown] = useState(!secret);
  return (
    <div className="code-block">
      <pre>
        <code>{secret && !shown ? text.replaceAll(secret, '•'.repeat(8)) : text}</code>
      </pre>
      <Group gap={2} className="code-tools">
        {secret && (
          <ActionIcon
            variant="subtle"
            color="gray"
            c="dimmed"
            size="lg"
            aria-label={`${shown ? 'Hide' : 'Show'} the key`}
            onClick={() => setShown(!shown)}
          >
            <Icon name={shown ? 'eyeOff' : 'eye'} />
          </ActionIcon>
        )}
        <CopyIcon text={text} what={label} />
      </Group>
    </div>
  );
}
