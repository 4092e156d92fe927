/**
 * The words of the generated support requests. An intent is a list of verb phrases that fit after "I want to";
 * `{item}`, `{n}`, `{low}` and `{high}` are filled in. Intents that share their words stand side by side on purpose.
 */
export const intents: Record<string, string[]> = {
  refund: [
    'get my money back for {item}',
    'be refunded for order {n}',
    'return {item} and get the payment back',
    'have the charge for {item} reversed',
    'send {item} back for a refund',
  ],
  exchange: [
    'swap {item} for another size',
    'exchange {item}',
    'get {item} in a different colour',
    'return {item} and get another one',
    'send {item} back for a bigger one',
  ],
  'cancel-order': [
    'cancel order {n}',
    'stop order {n} before it ships',
    'call off the order of {item}',
    'withdraw what I bought yesterday',
    'not receive {item} after all',
  ],
  'cancel-subscription': [
    'cancel my plan',
    'end the subscription',
    'stop paying every month',
    'call off the yearly renewal',
    'not be billed again next month',
  ],
  'pause-subscription': [
    'put my plan on hold',
    'pause the subscription',
    'stop paying for two months only',
    'take a break from the subscription until spring',
    'freeze the monthly payments for a while',
  ],
  'upgrade-plan': [
    'move from {low} to {high}',
    'get {high} where we have {low} now',
    'leave {low} and be on {high}',
    'be on {high} and no longer on {low}',
    'have {high} in place of {low}',
  ],
  'downgrade-plan': [
    'move from {high} to {low}',
    'get {low} where we have {high} now',
    'leave {high} and be on {low}',
    'be on {low} and no longer on {high}',
    'have {low} in place of {high}',
  ],
  'delivery-address': [
    'have order {n} go to another address',
    'change where {item} is sent',
    'update the shipping address',
    'get the parcel at my office',
    'correct the street on the parcel label',
  ],
  'billing-address': [
    'have the bill go to another address',
    'change where the invoice is sent',
    'update the billing address',
    'get the invoice at my office',
    'correct the street on the invoice',
  ],
  'track-order': [
    'find out where {item} is',
    'see when the parcel arrives',
    'track order {n}',
    'know if order {n} has left the warehouse',
    'check how far the delivery has come',
  ],
  'missing-item': [
    'report that {item} was not in the parcel',
    'tell you {item} is missing from order {n}',
    'get the part that was left out of the box',
    'complain that the box came without {item}',
    'have {item} sent that you forgot to pack',
  ],
  'damaged-item': [
    'report that {item} came broken',
    'tell you {item} from order {n} is cracked',
    'get a part for the one that was smashed in the box',
    'complain that the box came with {item} dented',
    'have {item} looked at that no longer turns on',
  ],
  'reset-password': [
    'set a new password',
    'get a link for a new password',
    'change my password',
    'log in after forgetting my password',
    'replace the password of my account',
  ],
  'change-email': [
    'set a new email address',
    'get the login moved to a new email',
    'change my email',
    'log in with another email address',
    'replace the email of my account',
  ],
  'delete-account': [
    'close my account',
    'have my account removed',
    'delete my profile and all data',
    'erase everything you store about me',
    'leave for good and be forgotten',
  ],
  'unlock-account': [
    'open my locked account',
    'have my account unblocked',
    'get back in after too many attempts',
    'lift the lock on my profile',
    'use my account that was suspended',
  ],
  'double-charge': [
    'report that I was charged twice',
    'have a second payment for order {n} looked at',
    'know why my card shows the same amount two times',
    'complain about a duplicate charge',
    'point out the double booking on my card',
  ],
  'wrong-amount': [
    'report that I was charged too much',
    'have the payment for order {n} looked at',
    'know why my card shows a higher amount',
    'complain about a charge above the price',
    'point out the wrong sum on my card',
  ],
  'invoice-copy': [
    'get a copy of the invoice',
    'have the bill for order {n} sent again',
    'download an invoice from last year',
    'receive a receipt for {item}',
    'have a bill with our tax number',
  ],
  'use-voucher': [
    'use a voucher for {item}',
    'apply a discount code',
    'get the promised ten percent off',
    'pay order {n} with a gift card',
    'have the coupon counted at the checkout',
  ],
};

export const items = [
  'the headphones',
  'the jacket',
  'a desk lamp',
  'the blue kettle',
  'my running shoes',
  'the phone case',
  'a camera bag',
  'the office chair',
  'two pillows',
  'the coffee maker',
  'a winter coat',
  'the board game',
];

/** Plans from the smallest to the largest. */
export const plans = ['free', 'starter', 'basic', 'plus', 'team', 'pro', 'business', 'enterprise'];

/** `{x}` is what is wanted; alone. */
export const plainFrames = [
  'I want to {x}',
  'can you help me to {x}',
  'how do I {x}',
  'I would like to {x}',
  'please let me {x}',
  'I need to {x}',
  'is it possible to {x}',
  'I am trying to {x}',
  'we have to {x}',
  'where can I {x}',
];

/** `{x}` is wanted, `{y}` is mentioned and not wanted (any more); the wanted one stands first in half of them. */
export const contrastFrames = [
  'I want to {x}, not to {y}',
  'I do not want to {y}, I want to {x}',
  'rather than {y} I would like to {x}',
  'I would rather {x} than {y}',
  'last week you helped me to {y}, today I need to {x}',
  'today I need to {x}, last week you helped me to {y}',
  'your colleague told me to {y} but all I want is to {x}',
  'all I want is to {x} but your colleague told me to {y}',
  'no need to {y} any more, please let me {x}',
  'please let me {x}, there is no need to {y} any more',
  'I already managed to {y}, now how do I {x}',
  'how do I {x}, I already managed to {y}',
  'can I {x} without having to {y}',
  'without having to {y}, can I {x}',
  'the page only lets me {y} although I have to {x}',
  'I have to {x} although the page only lets me {y}',
  'it says I should {y} when I ask to {x}',
  'I asked to {x} and was made to {y}',
  'forget that I asked to {y}, I want to {x}',
  'I want to {x}, forget that I asked to {y}',
];

/** Requests that fit two intents; the first is meant more often. */
export const vagueRequests: [text: string, likelier: string, other: string][] = [
  ['there is something wrong with what you took from my card', 'wrong-amount', 'double-charge'],
  ['I cannot get into my account any more', 'reset-password', 'unlock-account'],
  ['what arrived is not what I paid for', 'missing-item', 'damaged-item'],
  ['please do not take any more money from us', 'cancel-subscription', 'pause-subscription'],
  ['the address you have is out of date', 'delivery-address', 'billing-address'],
  ['I have changed my mind about {item}', 'refund', 'cancel-order'],
  ['I still have not got anything', 'track-order', 'missing-item'],
  ['{item} does not fit', 'exchange', 'refund'],
];

export const openers = [
  'hi',
  'hello',
  'good morning',
  'dear team',
  'hey there',
  'excuse me',
  'second try',
  'urgent',
];
export const closers = [
  'thanks',
  'thank you',
  'please answer soon',
  'regards',
  'cheers',
  'many thanks in advance',
  'I have been waiting for days',
  'this is the third time I write',
];
