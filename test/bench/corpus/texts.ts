/** What people write to each other, in many scripts; [language, text]. */
export const TEXTS: readonly (readonly [string, string])[] = [
  ['en', 'Are you coming to the balcony tonight? I will leave the small door open until ten.'],
  ['en', 'ok'],
  [
    'en',
    'I moved the meeting to Thursday, half past two, because the room was taken all morning. Bring the drawings & the short list, please; the long one is of no use if n < 5.',
  ],
  ['en', 'lol 😂'],
  [
    'en',
    'The train stands still outside the tunnel and nobody says why. Go ahead without me, order the soup, and keep a chair free.',
  ],
  [
    'de',
    'Kommst du heute Abend auf den Balkon? Die kleine Tür bleibt bis zehn Uhr offen, größere Überraschungen ausgeschlossen.',
  ],
  ['de', 'Ja, mach ich gleich.'],
  ['fr', 'Le garçon a oublié la clé sur la table ; peux-tu passer la chercher avant l’été ?'],
  ['es', '¿Dónde dejaste la bicicleta? Mañana temprano la necesito para ir al mercado.'],
  ['pt', 'Não se esqueça do pão e das maçãs, por favor. A reunião ficou para amanhã às nove.'],
  ['it', 'Perché non rispondi più? Ti aspetto davanti al caffè, sotto la pioggia.'],
  ['nl', 'De fiets staat weer in de schuur, maar de achterband is lek.'],
  ['pl', 'Zażółciłem całą ścianę i teraz cały pokój pachnie farbą. Wpadnij, jeśli się nie boisz.'],
  ['cs', 'Příliš mnoho sněhu na kopci, vlak dnes určitě nepojede.'],
  ['hu', 'Őszintén szólva a tükörfúrógép nem fért be a kocsiba.'],
  ['fi', 'Järven jää kantaa taas, tule hiihtämään ennen kuin yö pimenee.'],
  ['tr', 'Işıkları açık bırakmışsın, çıkarken kapıyı da kilitle lütfen.'],
  ['vi', 'Tối nay trời mưa to, nhớ mang áo mưa và đến sớm nhé.'],
  ['ru', 'Привет! Ты сегодня вечером дома? Я принесу книгу, о которой мы говорили, и чай.'],
  ['ru', 'да, конечно'],
  ['uk', 'Потяг запізнюється на двадцять хвилин, почекай мене біля їдальні.'],
  ['bg', 'Утре ще има вода чак след обяд, напълни си кофите довечера.'],
  ['el', 'Θα έρθω με το βραδινό πλοίο, περίμενέ με στο λιμάνι αν δεν βρέχει.'],
  ['ka', 'ხვალ დილით მთაში მივდივართ, თბილი ტანსაცმელი წამოიღე.'],
  ['hy', 'Վաղը առավոտյան շուկա ենք գնում, միացիր մեզ։'],
  ['he', 'נפגשים בשמונה ליד התחנה, תביא את המפתח של המחסן.'],
  ['ar', 'هل وصلت الرسالة؟ سأنتظرك غدًا أمام المكتبة بعد صلاة العصر.'],
  ['fa', 'فردا هوا سرد می‌شود، کاپشن گرم را فراموش نکن.'],
  ['hi', 'कल सुबह की गाड़ी से आ रहा हूँ, स्टेशन पर मिलना।'],
  ['bn', 'আজ বিকেলে বৃষ্টি হবে, ছাতা নিয়ে বের হয়ো।'],
  ['ta', 'நாளை காலை கடற்கரையில் சந்திப்போம், தாமதம் வேண்டாம்.'],
  ['th', 'พรุ่งนี้เช้าเจอกันที่ท่าเรือ อย่าลืมเอาร่มมาด้วยนะ'],
  ['my', 'မနက်ဖြန် ဈေးမှာ တွေ့ကြမယ်။'],
  ['am', 'ነገ ጠዋት ገበያ እንሂድ፣ አትርሳ።'],
  ['zh', '今天晚上的会议改到明天下午三点，请把图纸和预算一起带来。'],
  ['zh', '好的'],
  ['ja', '明日の朝、駅の北口で待っています。雨なら電車が遅れるかもしれません。'],
  ['ja', 'りょうかい〜'],
  ['ko', '내일 아침에 비가 온대요. 우산 챙기고 조금 일찍 출발하세요.'],
  ['sw', 'Kesho asubuhi tutakutana sokoni, usisahau kuleta kikapu.'],
  ['is', 'Það er orðið hvasst við höfnina, komdu inn áður en þú fýkur.'],
  ['mul', '👋🏽 🧑‍🚀🚀 → 🌍, 👨‍👩‍👧‍👦 ❤️‍🔥 🏳️‍🌈 𝕏𝕄ℙℙ 𐍈'],
]

/** Localparts. One account in twenty has a name that is not ASCII. */
export const PEOPLE: readonly string[] =
  'juliet, nurse, tybalt, lady, sampson, gregory, peter, rosaline, potpan, paris, julia.c, escalus-1, anthony_w, cousin, sue, kitchen, jörg, няня, gardener, x7'.split(
    ', ',
  )

export const NEIGHBOURS: readonly string[] =
  'romeo, benvolio, mercutio, abram, balthasar, friar.l, john, apothecary, page, watch'.split(', ')

export const RESOURCES: readonly string[] =
  'phone, Conversations.q1Zx, gajim.5J2KD8XQ, dino.4a1f00c2, Psi+ on Debian, balcony, Profanity, 6b1f0d3e-9a52-4a57-9d43-0e9a1f2b77c5, web-7391, Küche, monal-ios'.split(
    ', ',
  )

export const ROOMS: readonly string[] = 'orchard, square, dev, off-topic, мост, support'.split(', ')

export const NICKS: readonly string[] =
  'Juliet, Nurse (away), tyb4lt, Лев, 小林, Ünal, peter | afk, Q&A, Rosaline, sampson, Zoë'.split(', ')
