import type { Route } from './server.ts';

/** What is wrong with a part of the agent now, in words without secrets; undefined if it works. Takes no time: memory only. */
export type FaultOf = () => string | undefined;

/** Whether the agent can do its work, part by part. */
export type Health = {
  /** From now on the part is as `faultOf` says. */
  set(part: string, faultOf: FaultOf): void;
  /** By part. */
  faults(): Record<string, string>;
};

export function createHealth(): Health {
  const parts = new Map<string, FaultOf>();
  return {
    set: (part, faultOf) => void parts.set(part, faultOf),
    faults: () => {
      const faults = [...parts].map(([part, faultOf]) => [part, faultOf()] as const);
      return Object.fromEntries(faults.filter((each): each is [string, string] => each[1] !== undefined));
    },
  };
}

/** 200 if all parts work, else 503 with what doesn't. It asks neither a disk nor a repository. */
export function healthRoute(health: Health): Route {
  return {
    method: 'GET',
    answer: async () => {
      const faults = health.faults();
      const isWell = Object.keys(faults).length === 0;
      return Promise.resolve({ status: isWell ? 200 : 503, body: isWell ? { status: 'works' } : { status: 'fails', faults } });
    },
  };
}
