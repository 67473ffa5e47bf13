import { Paper, Stack, Text, Title } from '@mantine/core';
import type { ReactNode } from 'react';

/** A page's part with its own heading. */
export const Section = (props: {
  readonly title: string;
  readonly lead?: ReactNode;
  readonly children: ReactNode;
}): ReactNode => (
  <Paper component="section" p="lg" mb="md">
    <Stack gap="md">
      <div>
        <Title order={2} size="h5">
          {props.title}
        </Title>
        {props.lead && (
          <Text size="sm" c="dimmed" component="div">
            {props.lead}
          </Text>
        )}
      </div>
      {props.children}
    </Stack>
  </Paper>
);
