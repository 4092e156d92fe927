/** What a request can be about. */
export interface Intent {
  /** Ways to ask for it, after "I want to"; `{item}`, `{n}`, `{low}` and `{high}` are filled in. */
  ask: string[];
  /** Ways to mention it without asking for it, after "thanks for". */
  mention: string[];
}

/** Intents that share their words stand side by side on purpose. */
export const intents: Record<string, Intent> = {
  refund: {
    ask: [
      'get my money back for {item}',
      'be refunded for order {n}',
      'return {item} and get the payment back',
      'have the charge for {item} reversed',
      'send {item} back for a refund',
      'see my money again after the return',
    ],
    mention: ['the refund', 'the money back for order {n}', 'the returned payment'],
  },
  exchange: {
    ask: [
      'swap {item} for another size',
      'exchange {item}',
      'get {item} in a different colour',
      'return {item} and get another one',
      'send {item} back for a bigger one',
      'trade {item} for the other model',
    ],
    mention: ['the exchange', 'the other size of {item}', 'the swap'],
  },
  'cancel-order': {
    ask: [
      'cancel order {n}',
      'stop order {n} before it ships',
      'call off the order of {item}',
      'withdraw what I bought yesterday',
      'not receive {item} after all',
      'take back my purchase from this morning',
    ],
    mention: ['the cancelled order', 'the order {n} that was called off', 'the stopped shipment'],
  },
  'cancel-subscription': {
    ask: [
      'cancel my plan',
      'end the subscription',
      'stop paying every month',
      'call off the yearly renewal',
      'not be billed again next month',
      'let the contract run out',
    ],
    mention: ['the cancelled plan', 'the end of the subscription', 'the renewal that was called off'],
  },
  'pause-subscription': {
    ask: [
      'put my plan on hold',
      'pause the subscription',
      'stop paying for two months only',
      'take a break from the subscription until spring',
      'freeze the monthly payments for a while',
      'let the contract rest',
    ],
    mention: ['the pause', 'the plan on hold', 'the frozen payments'],
  },
  'upgrade-plan': {
    ask: [
      'move from {low} to {high}',
      'get a bigger plan',
      'go up to {high}',
      'add more seats than {low} has',
      'be on {high} and no longer on {low}',
      'have {high} in place of {low}',
    ],
    mention: ['the bigger plan', 'the move up to {high}', 'the added seats'],
  },
  'downgrade-plan': {
    ask: [
      'move from {high} to {low}',
      'get a smaller plan',
      'go down to {low}',
      'give back seats that {high} has',
      'be on {low} and no longer on {high}',
      'have {low} in place of {high}',
    ],
    mention: ['the smaller plan', 'the move down to {low}', 'the seats we gave back'],
  },
  'delivery-address': {
    ask: [
      'have order {n} go to another address',
      'change where {item} is sent',
      'update the shipping address',
      'get the parcel at my office',
      'correct the street on the parcel label',
      'redirect the delivery to a neighbour',
    ],
    mention: ['the new shipping address', 'the corrected parcel label', 'the parcel at my office'],
  },
  'billing-address': {
    ask: [
      'have the bill go to another address',
      'change where the invoice is sent',
      'update the billing address',
      'get the invoice at my office',
      'correct the street on the invoice',
      'put our new company name on the bills',
    ],
    mention: ['the new billing address', 'the corrected invoice', 'the bills at my office'],
  },
  'track-order': {
    ask: [
      'find out where {item} is',
      'see when the parcel arrives',
      'track order {n}',
      'know if order {n} has left the warehouse',
      'check how far the delivery has come',
      'learn on which day you deliver',
    ],
    mention: ['the tracking link', 'the news on where {item} is', 'the delivery day'],
  },
  'missing-item': {
    ask: [
      'report that {item} was not in the parcel',
      'tell you {item} is missing from order {n}',
      'get the part that was left out of the box',
      'complain that the box came without {item}',
      'have {item} sent that you forgot to pack',
      'receive the rest of order {n}',
    ],
    mention: ['the missing part', 'the rest of order {n}', 'the forgotten {thing}'],
  },
  'damaged-item': {
    ask: [
      'report that {item} came broken',
      'tell you {item} from order {n} is cracked',
      'get a part for the one that was smashed in the box',
      'complain that the box came with {item} dented',
      'have {item} looked at that no longer turns on',
      'show you the scratches on {item}',
    ],
    mention: ['the broken part', 'the repair of {item}', 'the cracked {thing}'],
  },
  'reset-password': {
    ask: [
      'set a new password',
      'get a link for a new password',
      'change my password',
      'log in after forgetting my password',
      'replace the password of my account',
      'choose another secret word',
    ],
    mention: ['the new password', 'the password link', 'the changed password'],
  },
  'change-email': {
    ask: [
      'set a new email address',
      'get the login moved to a new email',
      'change my email',
      'log in with another email address',
      'replace the email of my account',
      'receive your mails in another inbox',
    ],
    mention: ['the new email address', 'the changed email', 'the moved login'],
  },
  'delete-account': {
    ask: [
      'close my account',
      'have my account removed',
      'delete my profile and all data',
      'erase everything you store about me',
      'leave for good and be forgotten',
      'take my name out of your records',
    ],
    mention: ['the closed account', 'the deleted profile', 'the erased data'],
  },
  'unlock-account': {
    ask: [
      'open my locked account',
      'have my account unblocked',
      'get back in after too many attempts',
      'lift the lock on my profile',
      'use my account that was suspended',
      'be let in again',
    ],
    mention: ['the open account', 'the lifted lock', 'the unblocked profile'],
  },
  'double-charge': {
    ask: [
      'report that I was charged twice',
      'have a second payment for order {n} looked at',
      'know why my card shows the same amount two times',
      'complain about a duplicate charge',
      'point out the double booking on my card',
      'ask about two equal payments',
    ],
    mention: ['the second payment', 'the duplicate charge', 'the double booking'],
  },
  'wrong-amount': {
    ask: [
      'report that I was charged too much',
      'have the payment for order {n} looked at',
      'know why my card shows a higher amount',
      'complain about a charge above the price',
      'point out the wrong sum on my card',
      'ask about the difference to the price tag',
    ],
    mention: ['the wrong sum', 'the higher amount', 'the charge above the price'],
  },
  'invoice-copy': {
    ask: [
      'get a copy of the invoice',
      'have the bill for order {n} sent again',
      'download an invoice from last year',
      'receive a receipt for {item}',
      'have a bill with our tax number',
      'show my bookkeeper what {item} cost',
    ],
    mention: ['the copy of the invoice', 'the receipt for {item}', 'the bill for order {n}'],
  },
  'use-voucher': {
    ask: [
      'use a voucher for {item}',
      'apply a discount code',
      'get the promised ten percent off',
      'pay order {n} with a gift card',
      'have the coupon counted at the checkout',
      'enter the code from your letter',
    ],
    mention: ['the voucher', 'the discount code', 'the gift card'],
  },
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
export const things = ['lamp', 'kettle', 'chair', 'bag', 'coat', 'case'];

/** Plans from the smallest to the largest. */
export const plans = ['free', 'starter', 'basic', 'plus', 'team', 'pro', 'business', 'enterprise'];

/** `{x}` is asked for; alone. */
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

/** `{x}` is asked for, `{y}` only mentioned; either may stand first. */
export const contrastFrames = [
  'thanks for {y}, now I want to {x}',
  'I want to {x}, thanks for {y}',
  'this is not about {y}, I need to {x}',
  'I need to {x}, this is not about {y}',
  'after {y} I would like to {x}',
  'I would like to {x} after {y}',
  'you wrote to me about {y} but how do I {x}',
  'how do I {x}, you only wrote to me about {y}',
  'never mind {y}, please let me {x}',
  'please let me {x}, never mind {y}',
  'besides {y} we have to {x}',
  'we have to {x} besides {y}',
  '{y} is settled, can you help me to {x}',
  'can you help me to {x} now that {y} is settled',
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
