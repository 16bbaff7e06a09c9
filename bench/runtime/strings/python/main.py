import sys
def main(n):
    text="";total=marks=0
    for i in range(n):
        text+="x"+str(i)+";"
        if len(text)>100000:
            for k in range(len(text)):
                if text[k]=="x": marks+=1
            total+=len(text)+text.find("9;")+len(text.replace("1","one"))
            text=text[0:10]
    print(total,marks,len(text))
main(int(sys.argv[1]) if len(sys.argv)>1 else 1000000)
