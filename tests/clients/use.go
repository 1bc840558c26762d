// Uses a generated Go client: `go run ./use URL KEY`.
package main

import (
	"context"
	"fmt"
	"os"

	api "github.com/GIT_USER_ID/GIT_REPO_ID"
)

func main() {
	configuration := api.NewConfiguration()
	configuration.Servers = api.ServerConfigurations{{URL: os.Args[1]}}
	client := api.NewAPIClient(configuration)
	ctx := context.WithValue(context.Background(), api.ContextAccessToken, os.Args[2])

	request := api.NewSubmissionRequest("Hello")
	request.SetType("EMAIL")
	request.SetReceiver("ann@example.com")
	sent, _, err := client.NotificationsAPI.SubmitNotification(ctx).SubmissionRequest(*request).IdempotencyKey("go").Execute()
	check(err)
	row, _, err := client.NotificationsAPI.ReadNotification(ctx, sent.Id).Execute()
	check(err)
	page, _, err := client.NotificationsAPI.ListNotifications(ctx).PageSize(1).Execute()
	check(err)
	entry := api.NewUserEntryRequest([]api.DeviceShapeRequest{*api.NewDeviceShapeRequest("EMAIL", "ann@example.com")})
	_, _, err = client.UsersAPI.PutUser(ctx, "go").UserEntryRequest(*entry).Execute()
	check(err)
	ann, _, err := client.UsersAPI.ReadUser(ctx, "go").Execute()
	check(err)
	fmt.Println(sent.Id, row.GetType(), row.Status, len(page.Results), ann.Devices[0].Address)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
