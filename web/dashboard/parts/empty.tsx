import { Paper, Stack, Text, Title } from '@mantine/core';
import type { ReactNode } from 'react';

/** Where nothing is yet: what would be here, and how it comes about. */
export const Empty = (props: {
  readonly title: string;
  readonly text: ReactNode;
  readonly children?: ReactNode;
}): ReactNode => (
  <Paper p="xl" className="empty">
    <Stack align="center" gap="sm" ta="center" maw={480} mx="auto" py="md">
      <Title order={2} size="h4">
        {props.title}
      </Title>
      <Text c="dimmed" size="sm" component="div">
        {props.text}
      </Text>
      {props.children}
    </Stack>
  </Paper>
);
