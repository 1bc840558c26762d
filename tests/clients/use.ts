// Uses a generated TypeScript client: `node use.js URL KEY`.
import { Configuration, NotificationsApi, UsersApi } from "./index";

declare const process: { argv: string[] };

async function use(basePath: string, accessToken: string): Promise<void> {
  const configuration = new Configuration({ basePath, accessToken });
  const notifications = new NotificationsApi(configuration);
  const users = new UsersApi(configuration);
  const submissionRequest = { type: "EMAIL", receiver: "ann@example.com", message: "Hello" } as const;
  const sent = await notifications.submitNotification({ submissionRequest, idempotencyKey: "typescript" });
  const row = await notifications.readNotification({ id: sent.id });
  const page = await notifications.listNotifications({ pageSize: 1 });
  const userEntryRequest = { devices: [{ type: "EMAIL", address: "ann@example.com" }] } as const;
  await users.putUser({ username: "typescript", userEntryRequest: { devices: [...userEntryRequest.devices] } });
  const ann = await users.readUser({ username: "typescript" });
  console.log(sent.id, row.type, row.status, page.results.length, ann.devices[0].address);
}

use(process.argv[2], process.argv[3]);
