"""What Twilio's codes mean: https://www.twilio.com/docs/api/errors, as far as creating a message can be answered so.

Codes of the ranges 30000 and 63000 mostly tell later what became of a message; they are read in an answer too.
"""

from __future__ import annotations

from notifications.channels.meanings import (
    ACCOUNT_REFUSED,
    ACCOUNT_THROTTLED,
    BARRED,
    INVALID_RECEIVER,
    NOBODY_THERE,
    OPTED_OUT,
    PROVIDER_FAILED,
    RECEIVER_THROTTLED,
    REJECTED_TEXT,
    SENDER_REFUSED,
    SENDER_THROTTLED,
    SOFT_BOUNCE,
    STOPPED,
    UNKNOWN_RECEIVER,
    UNREACHED,
    WRONG_REQUEST,
    Meaning,
)

CODES: dict[int, Meaning] = {
    # The receiver.
    14101: INVALID_RECEIVER,  # "To" is invalid
    21211: INVALID_RECEIVER,  # "To" is not a valid number
    21214: INVALID_RECEIVER,  # "To" cannot be reached
    21217: INVALID_RECEIVER,  # not a valid number
    21265: INVALID_RECEIVER,  # a short code
    21266: INVALID_RECEIVER,  # our own number
    21604: INVALID_RECEIVER,  # no "To"
    30014: INVALID_RECEIVER,  # "To" is invalid
    63031: INVALID_RECEIVER,  # our own address
    21202: UNKNOWN_RECEIVER,  # a premium number
    21268: UNKNOWN_RECEIVER,  # a premium number or an information service
    21612: UNKNOWN_RECEIVER,  # no route from our number to this one
    21614: NOBODY_THERE,  # not a mobile number
    21635: NOBODY_THERE,  # a landline
    30005: UNKNOWN_RECEIVER,  # unknown destination
    30006: UNKNOWN_RECEIVER,  # a landline, or a carrier that cannot be reached
    30011: UNKNOWN_RECEIVER,  # takes no such message in this region
    63003: UNKNOWN_RECEIVER,  # the channel does not find "To"
    63024: UNKNOWN_RECEIVER,  # invalid for the channel
    63036: UNKNOWN_RECEIVER,  # cannot be reached by RCS
    21610: STOPPED,  # the receiver answered STOP
    30004: OPTED_OUT,  # blocked by the receiver
    30630: STOPPED,  # unsubscribed
    63014: OPTED_OUT,  # blocked by the user
    63033: OPTED_OUT,  # blocked by the user
    30003: SOFT_BOUNCE,  # the handset is off or out of reach
    30036: SOFT_BOUNCE,  # the validity period passed
    30453: SOFT_BOUNCE,  # could not be delivered
    30485: SOFT_BOUNCE,
    30610: SOFT_BOUNCE,
    30615: SOFT_BOUNCE,
    30620: SOFT_BOUNCE,
    63032: UNREACHED,  # a limit of WhatsApp for this user
    30039: RECEIVER_THROTTLED,  # filtered to prevent a loop: too many in a short time
    # This receiver by our account: a permission or registration is missing, others are reached.
    14111: BARRED,  # not verified, and the account is on trial
    21203: BARRED,  # no international permission
    21215: BARRED,  # the country is not enabled
    21219: BARRED,  # not verified, and the account is on trial
    21408: BARRED,  # the country is not enabled
    21608: BARRED,  # not verified, and the account is on trial
    21703: BARRED,  # the messaging service has no number for this receiver
    30010: BARRED,  # dearer than our highest price
    30018: BARRED,  # the carrier wants the sender registered
    30024: BARRED,  # our number is not provisioned at this carrier
    30034: BARRED,  # not registered for the United States
    30035: BARRED,  # the registration for the United States is under way
    30040: BARRED,  # the carrier wants the sender registered
    30041: BARRED,  # not registered for the United Kingdom
    30042: BARRED,  # our name is blocked there as a generic one
    30043: BARRED,  # international by a domestic route
    30450: BARRED,  # blocked by protection against pumping
    63015: BARRED,  # has not joined the sandbox
    63035: BARRED,  # not a tester of the agent
    # The text.
    14103: REJECTED_TEXT,  # invalid body
    21602: REJECTED_TEXT,  # no body
    21605: REJECTED_TEXT,  # body over the old limit
    21617: REJECTED_TEXT,  # body over 1,600 characters
    21618: REJECTED_TEXT,  # the body cannot be sent
    21619: REJECTED_TEXT,  # no body
    21658: REJECTED_TEXT,  # a parameter is too long: only the body's length differs
    30007: REJECTED_TEXT,  # filtered by the carrier
    30019: REJECTED_TEXT,  # over the carrier's size
    30038: REJECTED_TEXT,  # filtered as a one-time password
    63005: REJECTED_TEXT,  # not accepted by the channel
    63006: REJECTED_TEXT,  # cannot be formatted for the channel
    63013: REJECTED_TEXT,  # against the channel's policy
    63016: REJECTED_TEXT,  # free text outside the allowed window
    63021: REJECTED_TEXT,  # invalid for the channel
    63026: REJECTED_TEXT,  # flagged as spam
    # Our sender: TWILIO_FROM, its registration, its messaging service.
    14102: SENDER_REFUSED,  # "From" is invalid
    14108: SENDER_REFUSED,  # cannot send texts
    21210: SENDER_REFUSED,  # not verified
    21212: SENDER_REFUSED,  # not a number we may use
    21213: SENDER_REFUSED,  # missing
    21264: SENDER_REFUSED,  # not verified
    21267: SENDER_REFUSED,  # a name, and the account is on trial
    21401: SENDER_REFUSED,  # not a valid number or name
    21407: SENDER_REFUSED,  # this type of number sends no texts
    21601: SENDER_REFUSED,  # cannot send texts
    21603: SENDER_REFUSED,  # missing
    21606: SENDER_REFUSED,  # cannot send texts, or not to there
    21607: SENDER_REFUSED,  # must be the sandbox's, the account is on trial
    21616: SENDER_REFUSED,  # matches several of our numbers
    21621: SENDER_REFUSED,  # not enabled
    21657: SENDER_REFUSED,  # invalid
    21659: SENDER_REFUSED,  # not a number of Twilio's, or of another country
    21660: SENDER_REFUSED,  # of another account
    21661: SENDER_REFUSED,  # cannot send texts
    21701: SENDER_REFUSED,  # no such messaging service
    21702: SENDER_REFUSED,  # the messaging service sends no new messages
    21704: SENDER_REFUSED,  # the messaging service has no numbers
    21705: SENDER_REFUSED,  # the messaging service is invalid
    21708: SENDER_REFUSED,  # the name is missing
    21709: SENDER_REFUSED,  # the name is invalid or not authorized for the service
    21711: SENDER_REFUSED,  # not of the messaging service
    21712: SENDER_REFUSED,  # of another messaging service
    21713: SENDER_REFUSED,  # the service's use case is invalid
    21715: SENDER_REFUSED,  # lacks the service's capabilities
    21717: SENDER_REFUSED,  # the brand is not registered
    21719: SENDER_REFUSED,  # service and use case do not fit
    21731: SENDER_REFUSED,  # the brand is suspended
    21733: SENDER_REFUSED,  # no default messaging service
    30032: SENDER_REFUSED,  # the toll-free number is not verified
    30033: SENDER_REFUSED,  # the campaign is suspended
    63002: SENDER_REFUSED,  # the channel does not find "From"
    63007: SENDER_REFUSED,  # no channel with this "From"
    63008: SENDER_REFUSED,  # the channel is misconfigured
    63020: SENDER_REFUSED,  # an error of the business account
    63051: SENDER_REFUSED,  # the business account is locked
    # Our account.
    10001: ACCOUNT_REFUSED,  # not active
    10002: ACCOUNT_REFUSED,  # on trial
    20003: ACCOUNT_REFUSED,  # wrong token
    20005: ACCOUNT_REFUSED,  # not active
    20006: ACCOUNT_REFUSED,  # access denied
    20008: ACCOUNT_REFUSED,  # test credentials
    20010: ACCOUNT_REFUSED,  # disabled for the account
    20101: ACCOUNT_REFUSED,  # invalid access token
    20104: ACCOUNT_REFUSED,  # expired
    20107: ACCOUNT_REFUSED,  # wrong signature
    20151: ACCOUNT_REFUSED,  # authentication failed
    20403: ACCOUNT_REFUSED,  # forbidden
    20404: ACCOUNT_REFUSED,  # no such account
    21470: ACCOUNT_REFUSED,  # invalid account
    21471: ACCOUNT_REFUSED,  # no such account
    21472: ACCOUNT_REFUSED,  # not active
    30002: ACCOUNT_REFUSED,  # suspended
    30037: ACCOUNT_REFUSED,  # sending is disabled
    63001: ACCOUNT_REFUSED,  # the channel does not know us
    90010: ACCOUNT_REFUSED,  # not active
    # Limits: of the sending number or its campaign, or of the account.
    21611: SENDER_THROTTLED,  # the number's queue is full
    30022: SENDER_THROTTLED,  # the campaign's rate
    30023: SENDER_THROTTLED,  # the campaign's day
    30027: SENDER_THROTTLED,  # the campaign's day at one carrier
    63017: SENDER_THROTTLED,
    63018: SENDER_THROTTLED,
    14107: ACCOUNT_THROTTLED,  # rate exceeded
    20429: ACCOUNT_THROTTLED,  # too many requests
    30001: ACCOUNT_THROTTLED,  # the queue is full
    30454: ACCOUNT_THROTTLED,  # the account's limit
    63038: ACCOUNT_THROTTLED,  # the account's day
    # How we ask.
    20001: WRONG_REQUEST,  # unknown parameters
    20004: WRONG_REQUEST,  # method
    20011: WRONG_REQUEST,  # version of TLS
    20012: WRONG_REQUEST,  # cipher
    20410: WRONG_REQUEST,  # gone
    20413: WRONG_REQUEST,  # too large
    20422: WRONG_REQUEST,  # invalid parameter
    20423: WRONG_REQUEST,  # invalid id
    20426: WRONG_REQUEST,  # upgrade required
    # Twilio and the carriers.
    20409: PROVIDER_FAILED,  # conflict
    20500: PROVIDER_FAILED,
    20503: PROVIDER_FAILED,
    20504: PROVIDER_FAILED,
    21730: PROVIDER_FAILED,  # maintenance
    30008: PROVIDER_FAILED,  # unknown error at the carrier
    30009: PROVIDER_FAILED,  # a segment is missing
    30017: PROVIDER_FAILED,  # the carrier's network is congested
    30020: PROVIDER_FAILED,
    30021: PROVIDER_FAILED,
    30410: PROVIDER_FAILED,  # the carrier did not answer in time
    30500: PROVIDER_FAILED,
    63009: PROVIDER_FAILED,  # the channel failed
    63010: PROVIDER_FAILED,
    63012: PROVIDER_FAILED,
    63023: PROVIDER_FAILED,
}
