import { Alert, Button, Group, Skeleton, Stack, Text } from '@mantine/core';
import type { UseQueryResult } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { wordsOf } from '../api.ts';
import { Icon } from './icons.tsx';

/** What went wrong, in the server's words; with a button where trying again helps. */
export const Problem = ({ error, retry }: { readonly error: unknown; readonly retry?: () => void }): ReactNode => (
  <Alert color="red" variant="outline" icon={<Icon name="warning" />} role="alert" className="problem">
    <Group justify="space-between" gap="sm">
      <Text size="sm" style={{ flex: 1 }}>
        {wordsOf(error)}
      </Text>
      {retry && (
        <Button size="xs" variant="default" onClick={retry}>
          Try again
        </Button>
      )}
    </Group>
  </Alert>
);

/** A query's data once it is there; before that its outline, and what is wrong where it does not come. */
export function Loaded<T>(props: {
  readonly query: UseQueryResult<T>;
  readonly lines?: number;
  readonly children: (data: T) => ReactNode;
}): ReactNode {
  const { query, lines = 4 } = props;
  if (query.data !== undefined) return props.children(query.data);
  if (query.error) return <Problem error={query.error} retry={() => void query.refetch()} />;
  return (
    <Stack gap="sm" aria-busy="true" role="status" aria-label="Loading">
      {Array.from({ length: lines }, (_, line) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: they are all the same
        <Skeleton key={line} height={44} radius="md" />
      ))}
    </Stack>
  );
}
