import { Button, Code, NativeSelect, Table, Text, TextInput, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import type { NewSigningKey, SigningKey, SigningKeyList } from '../../../src/contract/index.ts';
import { api } from '../api.ts';
import { CodeBlock, CodeLine } from '../parts/code-line.tsx';
import { Confirm } from '../parts/confirm.tsx';
import { FormDialog, OnceDialog } from '../parts/dialog.tsx';
import { dayOf } from '../parts/format.ts';
import { type Column, Listing } from '../parts/listing.tsx';
import { Loaded } from '../parts/problem.tsx';
import { useToast } from '../parts/toast.tsx';
import { useAsked } from '../parts/use-asked.ts';
import { useReread } from '../parts/use-reread.ts';

const COLUMNS: readonly Column[] = [
  { title: 'Name and id' },
  { title: 'Algorithm', as: 'wide' },
  { title: 'Actions', hidden: true, as: 'tight' },
];

/** The keys with which the customer's own software lets viewers in. An environment has fifty at most. */
export function SigningKeys(): ReactNode {
  const [making, setMaking] = useState(false);
  const [made, setMade] = useState<NewSigningKey | null>(null);
  const deleting = useAsked<SigningKey>();
  const reread = useReread('signing_keys');
  const say = useToast();
  const query = useQuery({
    queryKey: ['signing_keys'],
    queryFn: () => api.get<SigningKeyList>('signing_keys', { limit: 50 }),
  });
  return (
    <section aria-labelledby="signing-keys">
      <Title order={2} size="h4" id="signing-keys" mt="xl">
        Signing keys
      </Title>
      <Text size="sm" c="dimmed" mb="md">
        With these your own software signs tokens for viewers of live streams that are not public. Anybody who has one
        lets in whom they like.
      </Text>
      <Loaded query={query}>
        {({ docs }) =>
          docs.length > 0 && (
            <Listing label="Signing keys" columns={COLUMNS}>
              {docs.map((key) => (
                <Table.Tr key={key._id}>
                  <Table.Td>
                    <b>{key.name || 'Without a name'}</b>
                    <span className="soft-line">
                      <Code>{key._id}</Code> · made {dayOf(key.creation_time)}
                    </span>
                  </Table.Td>
                  <Table.Td className="wide">{key.algorithm}</Table.Td>
                  <Table.Td className="tight">
                    <Button
                      variant="subtle"
                      size="xs"
                      className="danger"
                      aria-label={`Delete ${key.name || key._id}`}
                      onClick={() => deleting.ask(key)}
                    >
                      Delete
                    </Button>
                  </Table.Td>
                </Table.Tr>
              ))}
            </Listing>
          )
        }
      </Loaded>
      <Button variant="default" mt="sm" onClick={() => setMaking(true)}>
        New signing key
      </Button>
      {making && (
        <Making
          close={() => setMaking(false)}
          made={(key) => {
            setMade(key);
            void reread();
          }}
        />
      )}
      {made && <Made made={made} close={() => setMade(null)} />}
      <Confirm
        opened={deleting.opened}
        title="Delete this signing key?"
        text={`Viewers with a token that “${deleting.about?.name || deleting.about?._id}” has signed are refused from now on. This cannot be undone.`}
        button="Delete"
        close={deleting.close}
        act={async () => {
          await api.delete(`signing_keys/${deleting.about!._id}`);
          say('The signing key is deleted.');
          await reread();
        }}
      />
    </section>
  );
}

function Making(props: { readonly close: () => void; readonly made: (key: NewSigningKey) => void }): ReactNode {
  const [name, setName] = useState('');
  const [algorithm, setAlgorithm] = useState('RS256');
  const send = async () => props.made(await api.post<NewSigningKey>('signing_keys', { name: name.trim(), algorithm }));
  return (
    <FormDialog title="New signing key" button="Make it" close={props.close} send={send}>
      <TextInput
        label="Name"
        description="What signs with it."
        placeholder="Backend"
        required
        maxLength={255}
        data-autofocus
        value={name}
        onChange={(event) => setName(event.currentTarget.value)}
      />
      <NativeSelect
        label="Algorithm"
        value={algorithm}
        onChange={(event) => setAlgorithm(event.currentTarget.value)}
        data={[
          { value: 'RS256', label: 'RS256: every JWT library has it' },
          { value: 'EdDSA', label: 'EdDSA: smaller tokens, faster' },
        ]}
      />
    </FormDialog>
  );
}

const Made = ({ made, close }: { readonly made: NewSigningKey; readonly close: () => void }) => (
  <OnceDialog title={`“${made.name}” is made`} close={close}>
    <Text size="sm">The private key is shown this once: keep it where your program finds it, and nowhere else.</Text>
    <CodeLine label="Key id (kid)" value={made._id} />
    <CodeLine label="Private key" value={made.private_key ?? ''} hint="PEM, in base64." secret />
    <Text size="sm">What your program signs, with the playback id (lv_…) of the live stream:</Text>
    <CodeBlock
      label="the token"
      text={`header  {"alg": "${made.algorithm}", "kid": "${made._id}"}
claims  {"sub": "lv_…", "aud": "v", "exp": <seconds since 1970>}`}
    />
  </OnceDialog>
);
