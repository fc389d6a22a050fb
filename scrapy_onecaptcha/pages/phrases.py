"""What gates and widgets say, in many languages.

A page in a language that is missing here is judged by all else that it shows.
"""

from __future__ import annotations

import re

__all__ = [
    "CHECKS_AND_WAITS",
    "CHECK_PATHS",
    "EMAIL_WORDS",
    "FOOTER_NOTICES",
    "GATE_HEADINGS",
    "HUMAN_CHECKS",
    "ONWARD_BUTTONS",
    "PURPOSE_BUTTONS",
    "PURPOSE_PATHS",
    "WAIT_NOTICES",
]

# What a title or heading says that plainly asks for a person,
_HUMAN_CHECKS = (
    r"you(?:'re| are) (?:a |not a )?(?:human|robot|bot)|not a (?:ro)?bot"
    r"|(?:bot|robot|browser|human|security|captcha)[ -](?:check|detect|verif|challenge)"
    r"|verif\w+ (?:your browser|(?:that )?you\b|required)"
    r"|prove (?:that )?you"
    r"|(?:complete|solve) (?:the|this|a) (?:h?captcha|challenge|security)"
    r"|checking (?:if|your)|are you (?:a )?(?:human|robot)"
    r"|check (?:is )?(?:needed|required)"
    r"|\bcaptcha\s*$|sicherheits(?:überprüfung|prüfung|abfrage)|kein roboter"
    r"|ein mensch sind"
    r"|v[ée]rification de (?:la )?s[ée]curit[ée]|pas un robot|êtes[- ]vous humain"
    r"|verificaci[óo]n de seguridad|no (?:eres|soy|es) un robot"
    r"|verificação|não (?:é|sou) um robô|verifica di sicurezza|non sei un robot"
    r"|\bni(?:ste|si) robot|\bnie ste robot|не сте робот"
    r"|geen robot|veiligheidscontrole|een mens bent|weryfikacja|nie jesteś robotem"
    r"|robot değil|güvenlik (?:kontrol|doğrulama)|är du (?:en )?människa"
    r"|ole(?:te|d) inimene|(?:te|sa) ei ole robot|turvakontroll|et ole robotti"
    r"|turvatarkastus|esat cilvēks|neesat robots|drošības pārbaude|esate žmogus"
    r"|nesate robotas|saug\w+ patikra|varnostn\w+ preverjanje|sigurnosna provjera"
    r"|безбедносна провера|нисте робот|no (?:ets|sou|sóc) un robot"
    r"|comprovació de seguretat"
    r"|säkerhetskontroll|sikkerhe[dt]s?kontrol|er du (?:et )?menneske|oletko ihminen"
    r"|bezpečnostní kontrola|nejste robot|biztonsági ellenőrzés|nem robot"
    r"|verificare de securitate|nu e[sș]ti (?:un )?robot|έλεγχος ασφαλείας|ρομπότ"
    r"|xác minh|kiểm tra bảo mật|verifikasi keamanan|bukan robot"
    r"|проверк|не робот|подтвердите|перевірк|підтвердьте"
    r"|التحقق من|لست روبوت|فحص الأمان|בדיקת אבטחה|אינך רובוט|ربات نیستید|सुरक्षा जांच"
    r"|ตรวจสอบความปลอดภัย|ไม่ใช่หุ่นยนต์|安全验证|安全驗證|人机|人機|验证码|驗證碼"
    r"|ロボットでは|人間である|認証|로봇이 아닙니다|보안 확인"
)
# what only puts off, as a shop or a file host may do as well,
_WAIT_NOTICES = (
    r"just a moment|attention required|one more step|nur einen (?:moment|augenblick)"
    r"|un momento|un attimo|s[óo] um (?:instante|momento)|un instant\b|请稍候"
    r"|لحظة من فضلك|รอสักครู่|잠시만|少々お待ち"
)
_CHECKS_AND_WAITS = f"{_HUMAN_CHECKS}|{_WAIT_NOTICES}"
# and what refuses, which needs no captcha.
_REFUSALS = (
    r"access (?:is |has been )?(?:denied|blocked|restricted)|been blocked"
    r"|unusual (?:traffic|activity)|too many requests|forbidden"
)
HUMAN_CHECKS = re.compile(_HUMAN_CHECKS, re.IGNORECASE | re.MULTILINE)
WAIT_NOTICES = re.compile(_WAIT_NOTICES, re.IGNORECASE)
CHECKS_AND_WAITS = re.compile(_CHECKS_AND_WAITS, re.IGNORECASE | re.MULTILINE)
GATE_HEADINGS = re.compile(
    f"{_CHECKS_AND_WAITS}|{_REFUSALS}", re.IGNORECASE | re.MULTILINE
)
# A notice in the footer of every page.
FOOTER_NOTICES = re.compile(r"protected by \S{0,20}captcha", re.IGNORECASE)
# A button that only goes on, as a gate's does,
ONWARD_BUTTONS = re.compile(
    r"\bcontinue\b(?! (?:reading|shopping|with))|\bproceed\b|\bgo on\b|\blet me in\b"
    r"|\b(?:verify|unlock|unblock)\b|\bhuman\b|robot|^enter(?: (?:the )?site)?$"
    r"|\bweiter\b|fortfahren|\bcontinuer\b|\bcontinuar\b|prosseguir|\bcontinua\b"
    r"|prosegui|\bverder\b|doorgaan|kontynuuj|fortsätt|fortsett|fortsæt|\bjatka\b"
    r"|pokračovat|\bfolytat|continuă|συνέχεια|продолж|продовж|devam|tiếp tục|lanjutkan"
    r"|ดำเนินการต่อ|继续|繼續|続行|続ける|계속|متابعة|استمرار|המשך|ادامه|जारी",
    re.IGNORECASE,
)
# and one that does something with what the page holds.
PURPOSE_BUTTONS = re.compile(
    r"\b(?:down|up)load\b|^like\b|\bvote\b|\bclaim\b|subscri|\bsign ?up\b|\bregister\b"
    r"|\blog ?in\b|\bsign in\b|\breply\b|\bcomment\b|\bbuy\b|\border\b|\breport\b"
    r"|\breveal\b|^show\b|\btrial\b|\bdonate\b|\bfollow\b|\bre(?:set|send)\b|\be-?mail\b"
    r"|\bdelete\b|\bwithdraw\b"
    r"|\bauthori[sz]e\b|\b(?:continue|go on) with\b"
    r"|anmelden|einloggen|connecter|connexion|iniciar sesi|entrar com|\baccedi\b"
    r"|inloggen|zaloguj|logga in"
    r"|войти|увійти|giriş yap|ログイン|登录|登入|로그인|تسجيل الدخول"
    r"|erneut senden|renvoyer|reenviar|herunterladen|abstimmen|abonnieren|teilnehmen"
    r"|télécharger|abonner|\bvoter\b"
    r"|descargar|\bvotar\b|suscri|participar|baixar|scarica|скачать|голосовать|подписат"
    r"|下载|下載|ダウンロード|다운로드|投票|투표|登録|注册|註冊",
    re.IGNORECASE,
)
# The same of a form by where it is sent, which is often English,
PURPOSE_PATHS = re.compile(
    r"/(?:log-?in|sign-?in|sessions?|register|sign-?up|oauth2?|subscri\w+|newsletter"
    r"|votes?|likes?|comments?|reply|downloads?|claim|orders?|checkout|resend"
    r"|unsubscri\w+)(?:[/.?#]|$)",
    re.IGNORECASE,
)
CHECK_PATHS = re.compile(
    r"captcha|challenge|verif|human|bot|check(?!out)|unlock|unblock|/(?:enter|eintritt|zutritt|entrar|age)\b|/[_.]"
    r"|cdn-cgi",
    re.IGNORECASE,
)
# and of a page by its headings: it is the visitor's address that is to be verified.
EMAIL_WORDS = re.compile(r"\be-?mail\b|メール|邮箱|郵箱|이메일|почт", re.IGNORECASE)
